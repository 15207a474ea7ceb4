"""No rendered object has a field that the oldest supported cluster would drop without an error."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stacks.releases import KEDA_OLDEST, KUBERNETES_OLDEST, parts
from stacks.resolve import ROOT, resolve
from tests.support.config_cases import STACK, happy_cases, lay_out_happy
from tests.support.stacks import STACKS, record, recorded


class Since(NamedTuple):
    """A field, and the first release in which it is there and its feature gate is on by default."""

    field: str
    """`KIND PATH` as a pattern; lists are `[]`."""
    release: str
    source: str


KUBERNETES = (
    Since("*.unhealthyPodEvictionPolicy", "1.27", "KEP-3017"),
    Since("*.topologySpreadConstraints[].matchLabelKeys", "1.27", "KEP-3243"),
    Since("*.topologySpreadConstraints[].node*Policy", "1.26", "KEP-3094"),
    Since("*Probe.terminationGracePeriodSeconds", "1.25", "KEP-2238"),
    Since("*Probe.grpc*", "1.24", "KEP-2727"),
    Since("Service *.allocateLoadBalancerNodePorts", "1.22", "KEP-1864"),
    Since("Service *.internalTrafficPolicy", "1.22", "KEP-2086"),
    Since("Service *.ipFamil*", "1.21", "KEP-563"),
    Since("Service *.ports[].appProtocol", "1.19", "KEP-1507"),
    Since("NetworkPolicy *.endPort", "1.22", "KEP-2079"),
    Since("*.schedulingGates*", "1.27", "KEP-3521"),
    Since("*.initContainers[].restartPolicy", "1.29", "KEP-753"),
    Since("*.lifecycle.*.sleep*", "1.30", "KEP-3960"),
    Since("*.appArmorProfile*", "1.30", "KEP-24"),
    Since("*ffinity.*atchLabelKeys", "1.31", "KEP-3633"),
    Since("Service *.trafficDistribution", "1.31", "KEP-4444"),
    Since("*.volumeMounts[].recursiveReadOnly", "1.31", "KEP-3857"),
    Since("*.supplementalGroupsPolicy", "1.33", "KEP-3619"),
    Since("*.hostUsers", "1.33", "KEP-127"),
    Since("*.resizePolicy*", "1.33", "KEP-1287"),
    Since("*.procMount", "1.33", "KEP-4265"),
    Since("*.lifecycle.stopSignal", "1.33", "KEP-4960"),
    Since("Deployment spec.template.spec.resources*", "1.34", "KEP-2837"),
    Since("*.resourceClaims*", "1.34", "KEP-4381"),
    Since("*.volumeAttributesClassName", "1.34", "KEP-3751"),
    Since("*.hostnameOverride", "1.35", "KEP-4762"),
    Since("*.restartPolicyRules*", "1.35", "KEP-5307"),
    Since("*.volumes[].image*", "1.35", "KEP-4639"),
    Since("HorizontalPodAutoscaler *.tolerance", "1.35", "KEP-4951"),
)
KEDA = (
    Since("ScaledObject spec.initialCooldownPeriod", "2.14", "kedacore/keda #5008"),
    Since("ScaledObject spec.fallback.behavior", "2.17", "kedacore/keda #6450"),
    Since("ScaledObject spec.triggers[].metadata.timeout", "2.17", "kedacore/keda #6607"),
)


def fields(value: Any, path: str) -> Iterator[str]:
    """Every path in an object, such as `Deployment spec.template.spec.containers[].name`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}{key}"
            yield from fields(item, f"{path}{key}.")
    if isinstance(value, list):
        for item in value:
            yield from fields(item, f"{path.removesuffix('.')}[].")


def too_new(manifest: dict[str, Any], keda: str = KEDA_OLDEST) -> set[str]:
    """Fields of an object that the oldest supported release of Kubernetes drops, or that release of KEDA."""
    found = set(fields(manifest, f"{manifest['kind']} "))
    newer = [each.field for each in KUBERNETES if parts(each.release) > parts(KUBERNETES_OLDEST)]
    newer += [each.field for each in KEDA if parts(each.release) > parts(keda)]
    return {field for field in found for pattern in newer if fnmatchcase(field, pattern)}


@pytest.mark.parametrize("stack", STACKS)
def test_no_object_of_a_stack_has_a_field_that_the_oldest_cluster_drops(stack: str) -> None:
    found = {f"{each['kind']} {each['metadata']['name']}": too_new(each) for each in recorded(stack).manifests()}
    assert {name: fields for name, fields in found.items() if fields} == {}


@pytest.mark.parametrize("case", happy_cases())
def test_no_key_brings_a_field_that_the_oldest_cluster_drops(case: str, tmp_path: Path) -> None:
    lay_out_happy(case, tmp_path)
    config = resolve(STACK, tmp_path).config
    keda = (config.site.keda and config.site.keda.version) or KEDA_OLDEST
    assert [found for each in record(config).manifests() if (found := too_new(each, keda))] == []


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (
            {
                "kind": "Deployment",
                "spec": {"template": {"spec": {"containers": [{"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}]}}},
            },
            {f"Deployment spec.template.spec.containers[].lifecycle.preStop.sleep{end}" for end in ("", ".seconds")},
        ),
        (
            {"kind": "ScaledObject", "spec": {"fallback": {"replicas": 1, "behavior": "currentReplicas"}}},
            {"ScaledObject spec.fallback.behavior"},
        ),
        (
            {
                "kind": "Deployment",
                "spec": {"template": {"spec": {"resources": {}, "containers": [{"resources": {}}]}}},
            },
            {"Deployment spec.template.spec.resources"},
        ),
        (
            {"kind": "PodDisruptionBudget", "spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}},
            set(),
        ),
    ],
)
def test_a_field_is_too_new_by_its_own_release(manifest: dict[str, Any], expected: set[str]) -> None:
    assert too_new(manifest) == expected


def test_the_readme_names_the_oldest_supported_releases() -> None:
    text = (ROOT / "README.md").read_text()
    assert f"| Kubernetes | {KUBERNETES_OLDEST} or later" in text
    assert f"| KEDA | {KEDA_OLDEST} or later" in text
