"""The proxies' Deployment, as a pure function."""

from typing import Any

import pytest

from components.envoy.deployment import deployment_spec
from tests.support.configs import stack_config
from tests.support.proxy_args import proxy_args


def pod_of(**site: Any) -> Any:
    return deployment_spec(proxy_args(stack_config(site=site)), "a-map")["template"]["spec"]


def test_a_rollout_starts_a_new_envoy_before_it_stops_an_old_one() -> None:
    spec = deployment_spec(proxy_args(stack_config()), "a-map")
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_grace_period_is_longer_than_the_drain() -> None:
    pod = pod_of()
    *_, leave, _goaway, drain = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(leave) + int(drain)


def test_readiness_fails_before_envoy_stops_accepting_calls() -> None:
    container = pod_of()["containers"][0]
    readiness, leave = container["readinessProbe"], int(container["lifecycle"]["preStop"]["exec"]["command"][-3])
    assert readiness["periodSeconds"] * readiness["failureThreshold"] < leave


@pytest.mark.parametrize(("cpu_cores", "workers"), [(0.5, 1), (1.0, 1), (2.5, 3)])
def test_envoy_runs_one_worker_per_core(cpu_cores: float, workers: int) -> None:
    container = pod_of(proxy={"cpu_cores": cpu_cores})["containers"][0]
    arguments = container["args"]
    assert arguments[arguments.index("--concurrency") + 1] == str(workers)
    assert container["resources"]["limits"]["cpu"] == f"{round(cpu_cores * 1000)}m"


def test_the_memory_request_equals_the_limit() -> None:
    resources = pod_of(proxy={"memory_mib": 2048})["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "2048Mi"


def test_liveness_and_readiness_use_different_probes() -> None:
    container = pod_of()["containers"][0]
    assert container["livenessProbe"]["httpGet"] != container["readinessProbe"]["httpGet"]


def test_the_pod_holds_no_token_of_the_api_server() -> None:
    assert pod_of()["automountServiceAccountToken"] is False


def test_annotations_tell_prometheus_where_the_metrics_are() -> None:
    template = deployment_spec(proxy_args(stack_config()), "a-map")["template"]
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9902",
        "prometheus.io/path": "/stats/prometheus",
    }
