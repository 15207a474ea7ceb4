"""Settings of pods reach the pods of each part, and its selectors still find them."""

from typing import Any

import pytest

from tests.support.configs import stack_config
from tests.support.pods import labels, selects, template
from tests.support.recorder import Recorder
from tests.support.stacks import record

SETTINGS = {
    "node_selector": {"example.org/zone": "here"},
    "node_affinity": [
        {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["24000"]},
        {"key": "example.org/broken", "operator": "DoesNotExist"},
    ],
    "tolerations": [{"key": "dedicated"}],
    "runtime_class": "nvidia",
    "priority_class": "opportunistic",
    "pod_labels": {"kueue.x-k8s.io/queue-name": "sonic"},
    "pod_annotations": {"example.org/owner": "cms"},
}
EXPRESSIONS = [
    {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["24000"]},
    {"key": "example.org/broken", "operator": "DoesNotExist"},
]


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    """A stack whose pool, proxy, Prometheus, its login and Grafana have all settings."""
    gpu = {"products": ["NVIDIA-A10"]}
    pool = {"kind": "kubernetes", "name": "gpu", "servers_max": 4, "gpu": gpu, **SETTINGS}
    grafana = {"kind": "grafana", "password_secret": "grafana-password", **SETTINGS}
    ingress = {
        "hostname": "prometheus.example.org",
        "controller_namespace": "ingress-nginx",
        "users_secret": "prometheus-users",
    }
    monitoring = {"kind": "own", "dashboards": grafana, "ingress": ingress, **SETTINGS}
    return record(stack_config(site={"pools": [pool], "proxy": SETTINGS, "monitoring": monitoring}))


def deployment(recorder: Recorder, part: str) -> dict[str, Any]:
    (found,) = [each for each in recorder.manifests("Deployment") if part in each["metadata"]["name"]]
    return found


def node_terms(pod: dict[str, Any]) -> list[dict[str, Any]]:
    terms: list[dict[str, Any]] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    return terms


@pytest.mark.parametrize("part", ["triton", "envoy", "prometheus", "metrics-login", "grafana"])
def test_every_part_has_the_settings_and_is_found_by_its_selector(recorder: Recorder, part: str) -> None:
    found = deployment(recorder, part)
    pod, metadata = template(found)["spec"], template(found)["metadata"]
    assert pod["nodeSelector"] == {"example.org/zone": "here"}
    assert pod["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("nvidia", "opportunistic")
    assert metadata["annotations"]["example.org/owner"] == "cms"
    assert metadata["labels"]["kueue.x-k8s.io/queue-name"] == "sonic"
    assert selects(found["spec"]["selector"]["matchLabels"], labels(found))


@pytest.mark.parametrize("part", ["envoy", "prometheus", "metrics-login", "grafana"])
def test_a_node_meets_all_requirements(recorder: Recorder, part: str) -> None:
    """Kubernetes takes a node that meets one of several terms, so all requirements are in one."""
    assert node_terms(template(deployment(recorder, part))["spec"]) == [{"matchExpressions": EXPRESSIONS}]


def test_a_servers_node_has_one_of_the_gpu_products_too(recorder: Recorder) -> None:
    product = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-A10"]}
    assert node_terms(template(deployment(recorder, "triton"))["spec"]) == [
        {"matchExpressions": [product, *EXPRESSIONS]}
    ]
