"""Whose fields are whose: conflicts, fields of other actors, and resources that only patch."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.provider_stack import ProviderStack, Resource, resource

pytestmark = pytest.mark.engine


@pytest.fixture
def node(stack: ProviderStack) -> Iterator[str]:
    """A Node of the test's own, without a kubelet."""
    name = f"{stack.namespace}-node"
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"given": "here"}}}
    stack.api.request("POST", "/api/v1/nodes", body)
    yield name
    stack.api.request("DELETE", f"/api/v1/nodes/{name}")


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


def scale_as_autoscaler(stack: ProviderStack, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{stack.namespace}/deployments/workload/scale"
    scale = stack.api.request("GET", path)
    scale["spec"]["replicas"] = replicas
    stack.api.request("PUT", path, scale, query={"fieldManager": "autoscaler"})


def test_a_conflict_names_the_other_actor_and_the_field(stack: ProviderStack) -> None:
    project = stack.declare(workload("one"))
    project.up()
    stack.declare(workload("two"))
    project.up()
    stack.apply_as("someone", "apps/v1", "Deployment", "workload", metadata={"annotations": {"message": "theirs"}})
    stack.declare(workload("three"))

    outputs = [project.failing_preview(), project.up(fails=True).output]

    for output in outputs:
        assert 'conflict with "someone": .metadata.annotations.message' in output


def test_replicas_set_by_an_autoscaler_are_kept_when_their_changes_are_ignored(stack: ProviderStack) -> None:
    ignoring = {"ignore_changes": ["spec.replicas"]}
    project = stack.declare(workload("one", **ignoring))
    project.up()
    scale_as_autoscaler(stack, 3)

    stack.declare(workload("two", **ignoring))
    assert project.preview().step("workload").changes == {"metadata.annotations.message": "update"}
    project.up()

    live = stack.live("apps/v1", "Deployment", "workload")
    assert live["spec"]["replicas"] == 3
    assert live["metadata"]["annotations"]["message"] == "two"


def test_replicas_that_an_autoscaler_owns_conflict_when_stated(stack: ProviderStack) -> None:
    project = stack.declare(workload("one"))
    project.up()
    scale_as_autoscaler(stack, 3)
    stack.declare(workload("two"))

    # The first preview after creation forces, as the official plugin's does, and so it cannot see the conflict.
    assert project.preview().operations == {"workload": "update"}
    message = project.up(fails=True).output
    assert 'conflict with "autoscaler" with subresource "scale"' in message
    assert ".spec.replicas" in message
    assert stack.live("apps/v1", "Deployment", "workload")["spec"]["replicas"] == 3


def test_a_node_patch_owns_its_own_keys_only(stack: ProviderStack, node: str) -> None:
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": node, "labels": {"gpu": "a100"}})
    project = stack.declare(patch)

    project.up()

    assert project.export()["labels"]["id"] == node
    labels = stack.live("v1", "Node", node)["metadata"]["labels"]
    assert (labels["given"], labels["gpu"]) == ("here", "a100")
    project.refresh()
    assert project.preview().operations == {}

    changed = replace(patch, manifest={**patch.manifest, "metadata": {"name": node, "labels": {"gpu": "h100"}}})
    stack.declare(changed)
    assert project.preview().step("labels").changes == {"metadata.labels.gpu": "update"}
    project.up()
    assert stack.live("v1", "Node", node)["metadata"]["labels"]["gpu"] == "h100"

    project.destroy()
    labels = stack.live("v1", "Node", node)["metadata"]["labels"]
    assert labels["given"] == "here"
    assert "gpu" not in labels


def test_a_patch_of_a_label_that_another_actor_set_otherwise_is_a_conflict(stack: ProviderStack, node: str) -> None:
    stack.apply_as("kubelet", "v1", "Node", node, metadata={"labels": {"gpu": "theirs"}})
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": node, "labels": {"gpu": "ours"}})
    project = stack.declare(patch)

    assert 'conflict with "kubelet": .metadata.labels.gpu' in project.up(fails=True).output
    assert stack.live("v1", "Node", node)["metadata"]["labels"]["gpu"] == "theirs"


def test_a_patch_of_a_node_that_does_not_exist_makes_a_ghost(stack: ProviderStack) -> None:
    ghost = f"{stack.namespace}-ghost"
    patch = resource("labels", "v1", "Node", patch=True, metadata={"name": ghost, "labels": {"gpu": "a100"}})
    project = stack.declare(patch)

    assert project.preview().operations["labels"] == "create"
    project.up()
    project.destroy()

    assert stack.exists("v1", "Node", ghost)
    stack.api.request("DELETE", f"/api/v1/nodes/{ghost}")


def test_an_object_that_others_made_can_be_read(stack: ProviderStack, node: str) -> None:
    project = stack.declare(read_node("existing", node))

    project.up()

    state = project.export()["existing"]
    assert state["external"] is True
    assert state["outputs"]["metadata"]["labels"]["given"] == "here"
    assert project.preview().operations == {"existing": "read"}
    project.refresh()
    identity = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    assert project.export()["existing"]["inputs"] == identity
    project.destroy()
    assert stack.exists("v1", "Node", node)


def test_reading_an_object_that_does_not_exist_fails(stack: ProviderStack) -> None:
    project = stack.declare(read_node("missing", "no-such-node"))

    assert "resource 'no-such-node' does not exist" in project.failing_preview()
