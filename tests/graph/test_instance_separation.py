"""Two instances of one experiment at one site, in one namespace: neither touches what belongs to the other."""

import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.labels import instance_selector
from stacks.merge import merge_patch
from stacks.origin import Json
from stacks.resolve import ROOT, resolve
from stacks.schema import StackConfig
from stacks.schema.storage import CvmfsPvc
from tests.support.configs import stack_config
from tests.support.pods import labels, selects
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder
from tests.support.stacks import STACKS, config_of, record, recorded

every_stack = pytest.mark.parametrize("stack", STACKS)


@cache
def second_config(stack: str) -> StackConfig:
    """The configuration of a stack `<stack>-dev` beside it, as an operator writes it and the check accepts it."""
    first = config_of(stack)
    exposure: dict[str, Json] = {}
    if first.site.exposure.kind == "node-port":
        exposure = {"port": first.site.exposure.port + 1}
    elif first.site.exposure.kind != "cluster-ip":
        exposure = {"hostname": "{instance}.example.org"}
    if first.site.exposure.service_name is not None:
        exposure["service_name"] = None
    cvmfs = first.site.storage.cvmfs
    storage: dict[str, Json] = {"cvmfs": {"create": False}} if isinstance(cvmfs, CvmfsPvc) and cvmfs.create else {}
    patch: dict[str, Json] = {
        "sonic:instance": f"{first.instance}-dev",
        "sonic:override": {"site": {"access": {"create_namespace": False}, "exposure": exposure, "storage": storage}},
    }
    with TemporaryDirectory() as directory:
        root = Path(directory)
        shutil.copytree(ROOT / "stacks", root / "stacks", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        for file in ROOT.glob("Pulumi.*.yaml"):
            shutil.copy(file, root)
        document = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text())
        document["config"] = merge_patch(document["config"], patch)
        (root / f"Pulumi.{stack}-dev.yaml").write_text(yaml.safe_dump(document))
        resolve(stack, root)
        return resolve(f"{stack}-dev", root).config


@cache
def second(stack: str) -> Recorder:
    return record(second_config(stack))


def directions(stack: str) -> tuple[tuple[Recorder, Recorder], ...]:
    """Both orders of the two instances."""
    return (recorded(stack), second(stack)), (second(stack), recorded(stack))


def pod_selectors(value: Any) -> Iterator[dict[str, str]]:
    """Selectors of pods in a manifest, those of namespaces left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "matchLabels":
                yield item
            elif key != "namespaceSelector":
                yield from pod_selectors(item)
    if isinstance(value, list):
        for item in value:
            yield from pod_selectors(item)


def deployments(recorder: Recorder) -> list[dict[str, Any]]:
    return recorder.manifests("Deployment")


@every_stack
def test_no_object_is_in_both(stack: str) -> None:
    first, other = (
        {(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in recorder.manifests()}
        for recorder in (recorded(stack), second(stack))
    )
    assert second_config(stack).namespace == config_of(stack).namespace
    assert first & other == set()


@every_stack
def test_no_selector_of_one_matches_a_pod_of_the_other(stack: str) -> None:
    """An empty selector matches every pod of the namespace: only those that may ask Prometheus are chosen so."""
    for one, other in directions(stack):
        pods = [labels(deployment) for deployment in deployments(other)]
        for manifest in one.manifests():
            name = manifest["metadata"]["name"]
            selectors = list(pod_selectors(manifest.get("spec", {})))
            if manifest["kind"] == "Service":
                selectors.append(manifest["spec"]["selector"])
            for selector in selectors:
                if not selector:
                    assert (manifest["kind"], name.endswith("-prometheus")) == ("NetworkPolicy", True), name
                    assert {} not in pod_selectors(manifest["spec"]["podSelector"])
                    assert {} not in pod_selectors(manifest["spec"]["egress"])
                else:
                    assert not any(selects(selector, pod) for pod in pods), (name, selector)


@every_stack
def test_the_metrics_of_one_are_not_counted_for_the_other(stack: str) -> None:
    for one, other in directions(stack):
        pods = [f"{deployment['metadata']['name']}-6d5f8c7b9d-x7k2p" for deployment in deployments(other)]
        for scaled in one.manifests("ScaledObject"):
            queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
            assert all('pod=~"' in query for query in queries)
            patterns = re.findall(r'pod=~"([^"]+)"', "".join(queries))
            assert not any(re.fullmatch(pattern, pod) for pattern in patterns for pod in pods)
        for config in one.manifests("ConfigMap"):
            discovered = re.findall(r"app\.kubernetes\.io/instance=([a-z0-9-]+)", "".join(config["data"].values()))
            assert set(discovered) <= {config["metadata"]["labels"]["app.kubernetes.io/instance"]}


@every_stack
def test_the_default_denial_of_one_leaves_the_other_alone(stack: str) -> None:
    for recorder, config in ((recorded(stack), config_of(stack)), (second(stack), second_config(stack))):
        (denial,) = [
            policy
            for policy in recorder.manifests("NetworkPolicy")
            if policy["metadata"]["name"] == f"{config.name}-default-deny"
        ]
        assert denial["spec"]["podSelector"]["matchLabels"] == dict(instance_selector(config.name))


@every_stack
def test_what_the_stacks_share_has_one_owner(stack: str) -> None:
    """The namespace and the labels of the nodes are of the first, whose destruction takes them away."""
    assert second(stack).manifests("Namespace") == []
    patches = [r.name for r in second(stack).resources_by_urn.values() if r.type.endswith("Patch")]
    assert patches == []


def kinds_of_stack(recorder: Recorder) -> list[str]:
    """Kinds of the objects, without those of a virtual kubelet: the owner of the cluster's singletons makes them."""
    found = recorder.manifests()
    own = [each for each in found if each["metadata"]["labels"].get("app.kubernetes.io/component") != "virtual-node"]
    return [manifest["kind"] for manifest in own]


@every_stack
def test_two_instances_are_equal_but_for_names_and_address(stack: str) -> None:
    kinds = [kinds_of_stack(recorder) for recorder in (recorded(stack), second(stack))]
    shared = [kind for kind in ("Namespace", "PersistentVolumeClaim") if kind in kinds[0]]
    assert sorted([*kinds[1], *shared]) == sorted(kinds[0])


def test_the_longest_instance_leaves_every_name_whole() -> None:
    monitoring = {"kind": "operator", "url": "http://prometheus.monitoring.svc:9090"}

    def config(length: int) -> StackConfig:
        dump = stack_config(site={"monitoring": monitoring}).model_dump()
        return StackConfig.model_validate_json(json.dumps({**dump, "instance": "x" * length}))

    manifests = record(config(42)).manifests()
    names = [manifest["metadata"]["name"] for manifest in manifests]
    assert max(len(name) for name in names if not name.endswith(AUTO_NAME_SUFFIX)) == 63
    assert all(name.startswith(f"sonic-{'x' * 42}-") for name in names if name != config(42).namespace)
    with pytest.raises(ValidationError, match="write an instance of at most 42"):
        config(43)
