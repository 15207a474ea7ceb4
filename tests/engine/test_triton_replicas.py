"""Who chooses the number of servers, on a real API server: the program, or the autoscaler that acts beside it."""

import pytest

from components.triton import TritonPool
from tests.support.configs import stack_config
from tests.support.plugin_stack import PluginStack, Resource, resource
from tests.support.pool_args import pool_args
from tests.support.recorder import Recorder

pytestmark = pytest.mark.engine

NAME = "sonic-demo-triton-gpu"
NOWHERE = {"kind": "kubernetes", "name": "gpu", "servers_max": 8, "gpu": {}, "node_selector": {"no-such": "node"}}


def deployment(*, servers_min: int, servers_max: int, image_tag: str) -> Resource:
    """The Deployment that TritonPool registers, its pods pending for ever and not waited for."""
    server = {"image": f"example.org/triton:{image_tag}", "cpu_cores": 1.0, "memory_gib": 1.0}
    scaling = {"servers_min": servers_min, "servers_max": servers_max}
    config = stack_config(site={"pools": [NOWHERE]}, experiment={"server": server, "scaling": scaling})
    recorder = Recorder()
    recorder.run(lambda: TritonPool("triton", pool_args(config)))
    registered = recorder.one("kubernetes:apps/v1:Deployment")
    annotations = {**registered.inputs["metadata"].get("annotations", {}), "pulumi.com/skipAwait": "true"}
    return resource(
        "deployment",
        "apps/v1",
        "Deployment",
        metadata={"name": NAME, "labels": registered.inputs["metadata"]["labels"], "annotations": annotations},
        spec=registered.inputs["spec"],
        options={"ignore_changes": list(registered.ignore_changes)},
    )


def fixed(number: int, image_tag: str = "1") -> Resource:
    return deployment(servers_min=number, servers_max=number, image_tag=image_tag)


def autoscaled(image_tag: str = "1") -> Resource:
    return deployment(servers_min=2, servers_max=8, image_tag=image_tag)


def replicas(stack: PluginStack) -> int:
    found: int = stack.live("Deployment", NAME)["spec"]["replicas"]
    return found


def image(stack: PluginStack) -> str:
    (container,) = stack.live("Deployment", NAME)["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


def test_an_update_leaves_the_autoscalers_number_alone(stack: PluginStack) -> None:
    project = stack.declare(autoscaled())
    project.up()
    stack.scale_as_autoscaler(NAME, 5)
    project.run("preview", "--refresh", "--expect-no-changes")
    for image_tag in ("2", "3"):  # the first update takes over what the creation owned, the second does not
        stack.declare(autoscaled(image_tag))
        project.up()
        assert (image(stack), replicas(stack)) == (f"example.org/triton:{image_tag}", 5)


def test_autoscaling_begins_with_the_number_that_stands(stack: PluginStack) -> None:
    project = stack.declare(fixed(4))
    project.up()
    stack.declare(fixed(4, "2"))
    project.up()
    stack.declare(autoscaled("3"))
    project.up()
    assert replicas(stack) == 4
    stack.scale_as_autoscaler(NAME, 6)
    stack.declare(autoscaled("4"))
    project.up()
    assert (image(stack), replicas(stack)) == ("example.org/triton:4", 6)


def test_a_fixed_number_is_taken_back_from_the_autoscaler_that_was(stack: PluginStack) -> None:
    project = stack.declare(autoscaled())
    project.up()
    stack.scale_as_autoscaler(NAME, 5)
    stack.declare(autoscaled("2"))
    project.up()
    stack.declare(fixed(3, "2"))
    project.up()
    assert replicas(stack) == 3
