"""Resources of a pool of Triton servers."""

import pytest

from components.rollout import Promise
from components.triton import TritonPool
from tests.support.configs import stack_config
from tests.support.pods import admits
from tests.support.pool_args import pool_args
from tests.support.recorder import Recorder, Resource

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def deployment(recorder: Recorder, *, servers_min: int, servers_max: int) -> Resource:
    config = stack_config(experiment={"scaling": {"servers_min": servers_min, "servers_max": servers_max}})
    recorder.run(lambda: TritonPool("triton", pool_args(config)))
    return recorder.one(DEPLOYMENT)


def test_the_number_of_autoscaled_servers_is_stated_nowhere_and_left_alone(recorder: Recorder) -> None:
    autoscaled = deployment(recorder, servers_min=2, servers_max=4)
    assert "replicas" not in autoscaled.inputs["spec"]
    assert autoscaled.ignore_changes == ("spec.replicas",)
    assert "pulumi.com/patchForce" not in autoscaled.inputs["metadata"]["annotations"]


def test_a_fixed_number_is_stated_and_taken_back_from_others(recorder: Recorder) -> None:
    fixed = deployment(recorder, servers_min=3, servers_max=3)
    assert fixed.inputs["spec"]["replicas"] == 3
    assert fixed.ignore_changes == ()
    assert fixed.inputs["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"


def test_an_update_promises_the_fewest_servers_and_waits_as_long_as_one_may_take(recorder: Recorder) -> None:
    config = stack_config(experiment={"scaling": {"servers_min": 2, "servers_max": 4}})
    promises: list[Promise] = []
    recorder.run(lambda: promises.append(TritonPool("triton", pool_args(config)).rolled_out.promise))
    (promise,) = promises
    assert (promise.pods_min, promise.autoscaled) == (2, True)
    assert promise.start_seconds >= config.experiment.server.start_timeout_seconds


@pytest.fixture
def pool(recorder: Recorder) -> Recorder:
    recorder.run(lambda: TritonPool("triton", pool_args(stack_config())))
    return recorder


def test_no_server_starts_before_its_policy_stands(pool: Recorder) -> None:
    before = {urn.rpartition("::")[2] for urn in pool.one(DEPLOYMENT).depends_on}
    assert before == {"triton-account", "triton-liveness", "triton-policy"}


def test_the_service_is_headless_and_offers_grpc_alone(pool: Recorder) -> None:
    spec = pool.manifest("Service")["spec"]
    assert spec["clusterIP"] == "None"
    assert [port["port"] for port in spec["ports"]] == [8001]


def test_only_envoy_calls_and_only_prometheus_reads_metrics(pool: Recorder) -> None:
    calls, reads = pool.manifest("NetworkPolicy")["spec"]["ingress"]
    assert [rule["port"] for rule in calls["ports"]] == [8001]
    assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in calls["from"]] == ["envoy"]
    assert [rule["port"] for rule in reads["ports"]] == [8002]
    components = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in reads["from"]]
    assert components == ["prometheus"]


def test_the_pods_that_may_load_models_reach_http_and_grpc_of_each_server(recorder: Recorder) -> None:
    labels = {"app.kubernetes.io/component": "model-manager"}
    managers = [
        {"namespace": "managers", "pod_labels": labels},
        {"namespace": "sonic-demo", "pod_labels": {"app": "loader"}},
    ]
    server = {
        "image": "example.org/triton:24.10",
        "cpu_cores": 2.0,
        "memory_gib": 4.0,
        "flags": {"strict_readiness": False},
    }
    config = stack_config(site={"model_control": managers}, experiment={"server": server})
    recorder.run(lambda: TritonPool("triton", pool_args(config)))
    policies = recorder.manifests("NetworkPolicy")
    (servers,) = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    for port in (8000, 8001):
        assert admits(policies, "ingress", servers, {"labels": labels, "namespace": "managers"}, port)
        assert admits(policies, "ingress", servers, {"labels": {"app": "loader"}, "namespace": "sonic-demo"}, port)
        assert not admits(policies, "ingress", servers, {"labels": labels, "namespace": "elsewhere"}, port)
        assert not admits(policies, "ingress", servers, {"labels": {"app": "x"}, "namespace": "managers"}, port)
    assert not admits(policies, "ingress", servers, {"labels": labels, "namespace": "managers"}, 8002)


def test_outputs_name_what_others_address(pool: Recorder) -> None:
    (component,) = pool.components()
    assert pool.outputs[component.urn] == {
        "host": "sonic-demo-triton-gpu.sonic-demo.svc.cluster.local",
        "deployment_name": pool.manifest("Deployment")["metadata"]["name"],
    }
    assert pool.manifest("Service")["metadata"]["name"] == "sonic-demo-triton-gpu"
