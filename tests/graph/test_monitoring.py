"""Resources of the Monitoring component."""

import json
from typing import Any

import pytest

from components.monitoring import Monitoring, MonitoringArgs
from components.naming import Naming
from components.server_pool import MetricTarget
from stacks.schema.site import ExternalPrometheus, OwnPrometheus
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder

HERE = MetricTarget(namespace="cms", labels={"app": "triton"}, port=8002, path="/metrics")
ELSEWHERE = MetricTarget(namespace="cms-tunnels", labels={"app": "tunnel"}, port=8002, path="/metrics")


def deploy(recorder: Recorder, prometheus: OwnPrometheus | ExternalPrometheus, *targets: MetricTarget) -> None:
    args = MonitoringArgs(
        naming=Naming(instance="sonic-cms", namespace="cms", pull_secret="registry"),  # noqa: S106
        prometheus=prometheus,
        image="example.org/prometheus:v3.10.0",
        targets=targets or (HERE,),
        api_server_port=6443,
        keda_namespace="keda",
    )
    recorder.run(lambda: Monitoring("monitoring", args))


def outputs(recorder: Recorder) -> dict[str, Any]:
    (component,) = recorder.components()
    return recorder.outputs[component.urn]


@pytest.fixture
def own(recorder: Recorder) -> Recorder:
    deploy(recorder, OwnPrometheus(kind="own"))
    return recorder


def test_an_external_prometheus_is_only_named(recorder: Recorder) -> None:
    deploy(recorder, ExternalPrometheus(kind="external", url="https://prometheus.example.org"))
    assert recorder.manifests() == []
    assert outputs(recorder) == {"url": "https://prometheus.example.org"}


def test_the_url_is_that_of_the_service(own: Recorder) -> None:
    service = own.manifest("Service")["metadata"]
    assert outputs(own) == {"url": f"http://{service['name']}.{service['namespace']}.svc.cluster.local:9090"}


def test_a_changed_configuration_rolls_the_pod(own: Recorder) -> None:
    config = own.manifest("ConfigMap")
    (volume,) = [v for v in own.manifest("Deployment")["spec"]["template"]["spec"]["volumes"] if "configMap" in v]
    assert config["immutable"] is True
    assert config["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)
    assert volume["configMap"]["name"] == config["metadata"]["name"]


def test_its_token_reads_pods_of_the_namespace_and_nothing_else(own: Recorder) -> None:
    role, binding = own.manifest("Role"), own.manifest("RoleBinding")
    account = own.manifest("ServiceAccount")["metadata"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
    assert own.manifests("ClusterRole") == []


def test_pods_of_another_namespace_are_listed_found_and_reached(recorder: Recorder) -> None:
    deploy(recorder, OwnPrometheus(kind="own"), HERE, ELSEWHERE)
    roles, bindings = recorder.manifests("Role"), recorder.manifests("RoleBinding")
    assert {role["metadata"]["namespace"] for role in roles} == {"cms", "cms-tunnels"}
    assert {binding["metadata"]["namespace"] for binding in bindings} == {"cms", "cms-tunnels"}
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {"cms"}
    (job,) = json.loads(recorder.manifest("ConfigMap")["data"]["prometheus.yml"])["scrape_configs"]
    assert job["kubernetes_sd_configs"][0]["namespaces"] == {"names": ["cms", "cms-tunnels"]}
    here, elsewhere, *_ = recorder.manifest("NetworkPolicy")["spec"]["egress"]
    assert here["to"] == [{"podSelector": {"matchLabels": {"app": "triton"}}}]
    assert elsewhere["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cms-tunnels"}},
            "podSelector": {"matchLabels": {"app": "tunnel"}},
        }
    ]


def test_the_pod_runs_restricted(own: Recorder) -> None:
    pod = own.manifest("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_the_service_finds_the_pod(own: Recorder) -> None:
    spec = own.manifest("Deployment")["spec"]
    selector = own.manifest("Service")["spec"]["selector"]
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["strategy"] == {"type": "Recreate"}
