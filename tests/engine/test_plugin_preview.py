"""The official plugin: mistakes that a preview refuses, and those that it cannot see."""

import pytest

from tests.support.plugin_stack import PluginStack, resource

pytestmark = pytest.mark.engine

CONTAINER = {"name": "main", "image": "localhost/sonic-dev/pause:1"}


def test_a_server_dry_run_refuses_what_the_server_would_refuse(stack: PluginStack) -> None:
    project = stack.declare(
        resource("svc", "v1", "Service", metadata={"name": "svc"}, spec={"ports": [{"port": 99999}]})
    )

    output = project.failing_preview()

    assert "spec.ports[0].port: Invalid value: 99999" in output


def test_in_a_missing_namespace_the_preview_is_blind_to_what_the_server_would_refuse(stack: PluginStack) -> None:
    metadata = {"name": "svc", "namespace": f"{stack.namespace}-missing"}
    project = stack.declare(resource("svc", "v1", "Service", metadata=metadata, spec={"ports": [{"port": 99999}]}))

    assert project.preview().operations["svc"] == "create"


def test_a_value_of_no_known_form_fails_even_where_the_server_cannot_be_asked(stack: PluginStack) -> None:
    container = {**CONTAINER, "resources": {"limits": {"cpu": "banana"}}}
    metadata = {"name": "pod", "namespace": f"{stack.namespace}-missing"}
    project = stack.declare(resource("pod", "v1", "Pod", metadata=metadata, spec={"containers": [container]}))

    output = project.failing_preview()

    assert "quantities must match the regular expression" in output


def test_a_kind_that_is_not_served_is_previewed_as_it_is_written(stack: PluginStack) -> None:
    project = stack.declare(resource("thing", "example.org/v1", "Thing", metadata={"name": "thing"}, spec={"a": 1}))

    step = project.preview().step("thing")

    assert (step.op, step.new["inputs"]["spec"]) == ("create", {"a": 1})


def test_an_object_that_exists_is_previewed_as_create_and_fails_the_update(stack: PluginStack) -> None:
    stack.apply_as("someone", "v1", "ConfigMap", "taken", data={"a": "theirs"})
    project = stack.declare(resource("cm", "v1", "ConfigMap", metadata={"name": "taken"}, data={"a": "ours"}))

    assert project.preview().operations["cm"] == "create"
    message = project.up(fails=True).output
    assert "someone" in message
    assert ".data.a" in message
    assert stack.live("ConfigMap", "taken")["data"] == {"a": "theirs"}


def test_an_unreachable_cluster_is_silent_in_preview_and_fails_the_update(stack: PluginStack) -> None:
    nowhere = "{clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [], current-context: c, "
    stack.provider["kubeconfig"] = nowhere + "contexts: [{name: c, context: {cluster: c}}]}"
    project = stack.declare(resource("cm", "v1", "ConfigMap", data={"a": "1"}))

    assert project.preview().operations["cm"] == "create"
    assert "unreachable" in project.up(fails=True).output


def test_unknown_fields_of_built_in_kinds_vanish_without_a_word(stack: PluginStack) -> None:
    project = stack.declare(
        resource("cm", "v1", "ConfigMap", metadata={"name": "cm", "uid": "x"}, data={"a": "1"}, bogusField=1)
    )

    inputs = project.preview().step("cm").new["inputs"]

    assert "bogusField" not in inputs
    assert "uid" not in inputs["metadata"]
    assert inputs["metadata"]["namespace"] == stack.namespace
