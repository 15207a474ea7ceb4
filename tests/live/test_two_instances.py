"""A second instance beside the stack `dev`, in its namespace: both answer, and `dev` does not notice how it comes and
goes.

The tests are steps of one life and run in this order: deployed, updated, destroyed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from acceptance.__main__ import main
from devcluster.credentials import KUBECONFIG
from tests.support.dev_stack import DevStack
from tests.support.pulumi_cli import PulumiProject, copy_of_the_program, engine_environment

pytestmark = pytest.mark.live

STACK = "dev2"
PORT = 30802
SITE = {"access": {"create_namespace": False}, "exposure": {"port": PORT}}
EXPERIMENT = {"scaling": {"servers_min": 1, "servers_max": 1}}
KINDS = (
    "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,"
    "scaledobjects"
)
STEADY_PARTS = ("envoy", "prometheus")
"""Parts of a stack whose pods no autoscaler adds or removes."""


def write_stack(directory: Path, config: dict[str, object]) -> None:
    """Write Pulumi.dev2.yaml: what Pulumi.dev.yaml says, its secrets included, with `config` over it."""
    document = yaml.safe_load((directory / "Pulumi.dev.yaml").read_text())
    document["config"].update(config)
    (directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))


def uids(dev: DevStack, instance: str) -> dict[str, str]:
    """Kind and name of the objects of one instance in the namespace -> uid. Of pods, those of STEADY_PARTS.

    What is being deleted is left out: an earlier test may have restarted an Envoy.
    """
    label = f"app.kubernetes.io/instance={instance}"
    objects = dev.get(KINDS, f"--selector={label}").get("items", [])
    for part in STEADY_PARTS:
        objects += dev.get("pods", f"--selector={label},app.kubernetes.io/component={part}").get("items", [])
    kept = [item for item in objects if "deletionTimestamp" not in item["metadata"]]
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"] for item in kept}


def namespace_uid(dev: DevStack) -> str:
    return str(dev.kubectl.get("namespace", dev.namespace)["metadata"]["uid"])


@pytest.fixture(scope="module")
def dev() -> DevStack:
    return DevStack()


@pytest.fixture(scope="module")
def before(dev: DevStack) -> dict[str, str]:
    """The objects of `dev` before there is a second instance."""
    found = uids(dev, dev.config.name)
    assert {kind for kind in ("Deployment", "Pod", "ScaledObject") if any(o.startswith(kind) for o in found)} == {
        "Deployment",
        "Pod",
        "ScaledObject",
    }
    return {**found, "Namespace": namespace_uid(dev)}


@pytest.fixture(scope="module")
def second(before: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulumiProject]:  # noqa: ARG001
    """The second instance, deployed from a copy of the program that holds both stacks."""
    directory = tmp_path_factory.mktemp("program")
    copy_of_the_program(directory)
    write_stack(directory, {"sonic:instance": STACK, "sonic:override": {"site": SITE, "experiment": EXPERIMENT}})
    project = PulumiProject(directory, engine_environment(KUBECONFIG), STACK)
    try:
        project.up()
        yield project
    finally:
        project.destroy()


def unchanged(dev: DevStack, before: dict[str, str]) -> bool:
    return {**uids(dev, dev.config.name), "Namespace": namespace_uid(dev)} == before


def test_a_copy_without_an_instance_of_its_own_is_refused_at_preview(tmp_path: Path) -> None:
    copy_of_the_program(tmp_path)
    write_stack(tmp_path, {})
    told = PulumiProject(tmp_path, engine_environment(KUBECONFIG), STACK).failing_preview()
    assert 'sonic:instance: found "demo" in the stacks `dev2` and `dev`' in told
    assert "Traceback" not in told


def test_both_instances_answer_in_one_namespace(second: PulumiProject, dev: DevStack, before: dict[str, str]) -> None:
    outputs = second.outputs()
    assert (outputs["namespace"], outputs["grpc_endpoint"]) == (dev.namespace, f"127.0.0.1:{PORT}")
    assert main([STACK, "--endpoint", outputs["grpc_endpoint"]], second.directory) == 0
    assert main(["dev", "--endpoint", dev.endpoint]) == 0
    assert unchanged(dev, before)


def test_an_update_of_the_second_leaves_the_first_alone(
    second: PulumiProject, dev: DevStack, before: dict[str, str]
) -> None:
    own = uids(dev, f"sonic-{STACK}")
    experiment = {**EXPERIMENT, "traffic": {"longest_request_seconds": 45}}
    write_stack(second.directory, {"sonic:instance": STACK, "sonic:override": {"site": SITE, "experiment": experiment}})
    second.up()
    assert uids(dev, f"sonic-{STACK}") != own
    assert unchanged(dev, before)
    assert main([STACK, "--endpoint", f"127.0.0.1:{PORT}"], second.directory) == 0
    assert main(["dev", "--endpoint", dev.endpoint]) == 0


def test_a_destroyed_second_takes_nothing_of_the_first_with_it(
    second: PulumiProject, dev: DevStack, before: dict[str, str]
) -> None:
    second.destroy()
    assert uids(dev, f"sonic-{STACK}") == {}
    assert unchanged(dev, before)
    assert main(["dev", "--endpoint", dev.endpoint]) == 0
