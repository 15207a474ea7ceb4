"""The base class of every component."""

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.base import Manifest, SonicComponent
from tests.support.recorder import Recorder

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


class Part(SonicComponent):
    """A component with one child."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Manifest = {"name": name, "namespace": "test"}
        k8s.core.v1.ConfigMap(self.child("config"), metadata=metadata, opts=self.options())
        self.register_outputs({"answer": 42})


def test_the_token_is_the_class(recorder: Recorder) -> None:
    recorder.run(lambda: Part("part"))
    assert [component.type for component in recorder.components()] == ["sonic:index:Part"]


def test_children_hang_under_the_component_and_are_named_after_it(recorder: Recorder) -> None:
    recorder.run(lambda: Part("part"))
    (component,) = recorder.components()
    child = recorder.one(CONFIG_MAP)
    assert (child.name, child.parent) == ("part-config", component.urn)
    assert recorder.outputs[component.urn] == {"answer": 42}


def test_children_are_made_after_what_the_component_is_made_after(recorder: Recorder) -> None:
    def program() -> None:
        first = Part("first")
        Part("second", pulumi.ResourceOptions(depends_on=[first]))

    recorder.run(program)
    first, second = recorder.of_type(CONFIG_MAP)
    assert first.urn in second.depends_on


def test_children_take_no_other_option_of_the_caller(recorder: Recorder) -> None:
    def program() -> None:
        outer = Part("outer")
        Part("inner", pulumi.ResourceOptions(parent=outer, ignore_changes=["data"], aliases=[pulumi.Alias(name="old")]))

    recorder.run(program)
    child = next(resource for resource in recorder.of_type(CONFIG_MAP) if resource.name == "inner-config")
    assert child.parent.endswith("::inner")
    assert child.ignore_changes == ()


def test_two_resources_of_one_name_are_refused(recorder: Recorder) -> None:
    def program() -> None:
        Part("part")
        Part("part")

    with pytest.raises(AssertionError, match="duplicate URN"):
        recorder.run(program)
