"""What the Monitoring component registers."""

from typing import Any

import pytest

from components.monitoring import Monitoring, MonitoringArgs
from stacks.schema.site import ExternalPrometheus, OwnPrometheus
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder


def deploy(recorder: Recorder, prometheus: OwnPrometheus | ExternalPrometheus) -> None:
    args = MonitoringArgs(
        instance="sonic-cms",
        namespace="cms",
        prometheus=prometheus,
        image="example.org/prometheus:v3.10.0",
        api_server_port=6443,
        keda_namespace="keda",
        pull_secret="registry",  # noqa: S106
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
