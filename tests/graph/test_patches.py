"""Patches reach the objects of a stack, in a preview and in rendered files alike, and only objects that there are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.labels import POOL_LABEL
from rendering.manifests import manifests
from stacks.resolve import resolve
from stacks.schema import StackConfig
from stacks.schema.patch_rules import PATCHABLE, PROTECTED
from tests.support.config_cases import STACK, happy_cases, lay_out_happy
from tests.support.configs import stack_config
from tests.support.recorder import Recorder
from tests.support.stacks import STACKS, config_of, record, recorded

ALIASES = [{"ip": "192.0.2.1", "hostnames": ["s3.example.org"]}]
PATCHES = {
    "Deployment/triton": {"spec": {"template": {"spec": {"hostAliases": ALIASES}}}},
    "NetworkPolicy/envoy": {"spec": {"egress": [{"ports": [{"port": 3128}]}]}},
    "ScaledObject/triton": {"metadata": {"annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}}},
}


def targets(recorder: Recorder) -> set[str]:
    """The objects that patches of these manifests could name."""
    found = set()
    for manifest in recorder.manifests():
        labels = manifest["metadata"].get("labels", {})
        if manifest["kind"] in PATCHABLE and "app.kubernetes.io/component" in labels:
            target = f"{manifest['kind']}/{labels['app.kubernetes.io/component']}"
            found |= {target, *([f"{target}/{labels[POOL_LABEL]}"] if POOL_LABEL in labels else [])}
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_a_patch_may_name_every_object_that_the_stack_makes_and_no_other(stack: str) -> None:
    assert set(config_of(stack).objects) == targets(recorded(stack))


@pytest.mark.parametrize("case", happy_cases())
def test_a_patch_may_name_every_object_of_each_kind_of_configuration(case: str, tmp_path: Path) -> None:
    lay_out_happy(case, tmp_path)
    config = resolve(STACK, tmp_path).config
    assert set(config.objects) == targets(record(config))


@pytest.mark.parametrize("case", happy_cases())
def test_no_patch_may_take_a_volume_of_the_stack_s_own_away(case: str, tmp_path: Path) -> None:
    lay_out_happy(case, tmp_path)
    unprotected = [
        (component, *way)
        for deployment in record(resolve(STACK, tmp_path).config).manifests()
        if deployment["kind"] == "Deployment"
        for component in [deployment["metadata"]["labels"]["app.kubernetes.io/component"]]
        for way in _volumes_and_mounts(deployment["spec"]["template"]["spec"])
        if not any(each.touched_by("Deployment", component, ("spec", "template", "spec", *way)) for each in PROTECTED)
    ]
    assert unprotected == []


def _volumes_and_mounts(pod: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield from (("volumes", volume["name"]) for volume in pod.get("volumes", ()))
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", ()):
            if not mount["name"].startswith("data-"):  # at a path of the experiment's choice
                yield "containers", container["name"], "volumeMounts", mount["mountPath"]


@pytest.fixture(scope="module")
def config() -> StackConfig:
    """A stack with patches of its site."""
    return stack_config(site={"patches": PATCHES})


def test_the_engine_gets_the_patched_objects(config: StackConfig) -> None:
    recorder = record(config)
    pod = recorder.manifest("Deployment", "sonic-demo-triton-gpu")["spec"]["template"]["spec"]
    assert pod["hostAliases"] == ALIASES
    assert pod["containers"][0]["name"] == "triton"
    egress = recorder.manifest("NetworkPolicy", "sonic-demo-envoy")["spec"]["egress"]
    assert egress[-1] == {"ports": [{"port": 3128}]}
    assert len(egress) > 1
    assert recorder.manifest("ScaledObject")["metadata"]["annotations"] == {
        "scaledobject.keda.sh/transfer-hpa-ownership": "true"
    }


def test_rendered_files_have_the_same_objects(config: StackConfig) -> None:
    kinds = ("Deployment", "NetworkPolicy", "ScaledObject", "Service")
    recorder = record(config)
    for kind in kinds:
        rendered = {m["metadata"]["name"]: m for m in manifests(config) if m["kind"] == kind}
        for manifest in recorder.manifests(kind):
            own = rendered[manifest["metadata"]["name"]]
            assert (own["metadata"], own["spec"].keys()) == (manifest["metadata"], manifest["spec"].keys())
    rendered_pods = [m["spec"]["template"]["spec"] for m in manifests(config) if m["kind"] == "Deployment"]
    assert [pod.get("hostAliases") for pod in rendered_pods].count(ALIASES) == 1
