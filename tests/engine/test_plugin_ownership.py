"""The official plugin: conflicts name the other field manager, and a patch owns nothing but its keys."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.plugin_stack import PluginStack, Resource, resource

pytestmark = pytest.mark.engine


@pytest.fixture
def node(stack: PluginStack) -> Iterator[str]:
    """A Node of the test's own, without a kubelet."""
    name = f"{stack.namespace}-node"
    stack.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"given": "here"}}})
    yield name
    stack.delete("node", name)


def workload(message: str, **options: object) -> Resource:
    """A Deployment without Pods that is not waited for."""
    labels = {"app": "workload"}
    container = {"name": "main", "image": "localhost/sonic-dev/pause:1"}
    return resource(
        "workload",
        "apps/v1",
        "Deployment",
        metadata={"name": "workload", "annotations": {"pulumi.com/skipAwait": "true", "message": message}},
        spec={
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        options=options,
    )


def read_node(name: str, node: str) -> Resource:
    """What `Node.get(name, node)` registers: an id, and no properties."""
    return Resource(name=name, type="kubernetes:core/v1:Node", manifest={}, options={"id": node})


def test_a_conflict_names_the_other_actor_and_the_field(stack: PluginStack) -> None:
    project = stack.declare(workload("one"))
    project.up()
    stack.declare(workload("two"))
    project.up()
    stack.apply_as("someone", "apps/v1", "Deployment", "workload", metadata={"annotations": {"message": "theirs"}})
    stack.declare(workload("three"))

    outputs = [project.failing_preview(), project.up(fails=True).output]

    for output in outputs:
        assert "someone" in output
        assert ".metadata.annotations.message" in output


def test_replicas_set_by_an_autoscaler_are_kept_when_their_changes_are_ignored(stack: PluginStack) -> None:
    ignoring = {"ignore_changes": ["spec.replicas"]}
    project = stack.declare(workload("one", **ignoring))
    project.up()
    stack.scale_as_autoscaler("workload", 3)

    stack.declare(workload("two", **ignoring))
    assert project.preview().step("workload").changes == {"metadata.annotations.message": "update"}
    project.up()

    live = stack.live("Deployment", "workload")
    assert live["spec"]["replicas"] == 3
    assert live["metadata"]["annotations"]["message"] == "two"


def test_replicas_that_an_autoscaler_owns_conflict_when_stated(stack: PluginStack) -> None:
    project = stack.declare(workload("one"))
    project.up()
    stack.scale_as_autoscaler("workload", 3)
    stack.declare(workload("two"))

    for message in (project.failing_preview(), project.up(fails=True).output):
        assert "kube-controller-manager" in message
        assert ".spec.replicas" in message
    assert stack.live("Deployment", "workload")["spec"]["replicas"] == 3


def test_a_node_patch_owns_its_own_keys_only(stack: PluginStack, node: str) -> None:
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": node, "labels": {"gpu": "a100"}})
    project = stack.declare(patch)

    project.up()

    assert project.export()["labels"]["id"] == node
    labels = stack.live("Node", node)["metadata"]["labels"]
    assert (labels["given"], labels["gpu"]) == ("here", "a100")
    project.refresh()
    assert project.preview().operations == {}

    changed = replace(patch, manifest={**patch.manifest, "metadata": {"name": node, "labels": {"gpu": "h100"}}})
    stack.declare(changed)
    assert project.preview().step("labels").changes == {"metadata.labels.gpu": "update"}
    project.up()
    assert stack.live("Node", node)["metadata"]["labels"]["gpu"] == "h100"

    project.destroy()
    labels = stack.live("Node", node)["metadata"]["labels"]
    assert labels["given"] == "here"
    assert "gpu" not in labels


def test_a_patch_of_a_label_that_another_actor_set_otherwise_is_a_conflict(stack: PluginStack, node: str) -> None:
    stack.apply_as("kubelet", "v1", "Node", node, metadata={"labels": {"gpu": "theirs"}})
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": node, "labels": {"gpu": "ours"}})
    project = stack.declare(patch)

    message = project.up(fails=True).output
    assert "kubelet" in message
    assert ".metadata.labels.gpu" in message
    assert stack.live("Node", node)["metadata"]["labels"]["gpu"] == "theirs"


def test_a_patch_of_a_node_that_does_not_exist_makes_a_ghost(stack: PluginStack) -> None:
    ghost = f"{stack.namespace}-ghost"
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": ghost, "labels": {"gpu": "a100"}})
    project = stack.declare(patch)

    assert project.preview().operations["labels"] == "create"
    project.up()
    project.destroy()

    assert stack.live("Node", ghost)
    stack.delete("node", ghost)


def test_an_object_that_others_made_can_be_read(stack: PluginStack, node: str) -> None:
    project = stack.declare(read_node("existing", node))

    project.up()

    state = project.export()["existing"]
    assert state["external"] is True
    assert state["outputs"]["metadata"]["labels"]["given"] == "here"
    assert project.preview().operations == {"existing": "read"}
    project.refresh()
    project.destroy()
    assert stack.live("Node", node)


def test_reading_an_object_that_does_not_exist_fails(stack: PluginStack) -> None:
    project = stack.declare(read_node("missing", "no-such-node"))

    assert "no-such-node" in project.failing_preview()
