"""Resources of the Autoscaling component."""

from typing import Any

import pulumi
import pytest

from components.autoscaling import Autoscaling, AutoscalingArgs
from components.monitoring import PrometheusCredentials
from components.monitoring.credentials import secret_data
from components.triton import server_pool
from testbed.authority import Authority
from tests.support.configs import stack_config
from tests.support.pool_args import pool_args
from tests.support.recorder import Recorder


def args(**changes: Any) -> AutoscalingArgs:
    config = stack_config()
    pool = server_pool(pool_args(config))
    assert pool.scale_target
    defaults: dict[str, Any] = {
        "pool": pool,
        "target": pool.scale_target,
        "scaling": config.experiment.scaling,
        "envoy_pattern": "sonic-demo-envoy-.+",
        "prometheus_url": "http://prometheus:9090",
    }
    return AutoscalingArgs(**(defaults | changes))


def test_one_scaled_object_for_the_deployment_under_its_name(recorder: Recorder) -> None:
    recorder.run(lambda: Autoscaling("autoscaling-gpu", args(), pulumi.ResourceOptions()))
    (scaled_object,) = recorder.manifests()
    assert (scaled_object["apiVersion"], scaled_object["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert scaled_object["metadata"]["name"] == "sonic-demo-triton-gpu"
    assert scaled_object["metadata"]["namespace"] == "sonic-demo"
    assert scaled_object["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "sonic-demo-triton-gpu",
    }


@pytest.mark.parametrize("authorities", [True, False])
def test_keda_takes_what_prometheus_requires_from_the_secret(recorder: Recorder, *, authorities: bool) -> None:
    credentials = PrometheusCredentials(secret_name="prometheus-1", authorities=authorities)  # noqa: S106
    made = args(credentials=credentials, timeout_ms=60000)
    recorder.run(lambda: Autoscaling("autoscaling-gpu", made, pulumi.ResourceOptions()))
    authentication, scaled_object = recorder.manifest("TriggerAuthentication"), recorder.manifest("ScaledObject")
    assert authentication["metadata"]["namespace"] == scaled_object["metadata"]["namespace"]
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "customAuthHeader", "name": "prometheus-1", "key": "header"},
        {"parameter": "customAuthValue", "name": "prometheus-1", "key": "value"},
        *([{"parameter": "ca", "name": "prometheus-1", "key": "ca.crt"}] if authorities else []),
    ]
    for trigger in scaled_object["spec"]["triggers"]:
        assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
        assert trigger["metadata"]["authModes"] == "custom"
        assert trigger["metadata"]["timeout"] == "60000"


def test_authorities_alone_come_with_a_header_since_keda_reads_them_only_beside_one() -> None:
    authorities = Authority("site").certificate
    monitoring = {"kind": "external", "url": "https://prometheus.example.org", "authorities": authorities}
    site = stack_config(site={"monitoring": monitoring}).site
    assert secret_data(site.monitoring, {}) == {
        "header": "Accept",
        "value": "application/json",
        "ca.crt": authorities,
    }
