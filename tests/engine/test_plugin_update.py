"""The official plugin: replacement, secrets, partial failure, refresh and deletion."""

import base64
import json
from typing import Any

import pytest

from tests.support.plugin_stack import PluginStack, Resource, resource

pytestmark = pytest.mark.engine


def config_map(value: str, **fields: Any) -> Resource:
    return resource("settings", "v1", "ConfigMap", data={"a": value}, **fields)


def test_the_state_holds_the_live_object_and_its_inputs(stack: PluginStack) -> None:
    project = stack.declare(config_map("1"))
    project.up()

    state = project.export()["settings"]

    name = state["outputs"]["metadata"]["name"]
    assert state["id"] == f"{stack.namespace}/{name}"
    assert state["outputs"]["__inputs"] == state["inputs"]
    assert state["outputs"]["__initialApiVersion"] == "v1"
    assert state["outputs"]["__fieldManager"].startswith("pulumi-kubernetes-")
    live = stack.live("ConfigMap", name)
    assert state["outputs"]["metadata"]["uid"] == live["metadata"]["uid"]


def test_changed_data_of_an_autonamed_config_map_makes_a_new_one_before_the_old_goes(stack: PluginStack) -> None:
    project = stack.declare(config_map("1"))
    project.up()
    old_name = project.export()["settings"]["outputs"]["metadata"]["name"]
    stack.declare(config_map("2"))

    preview = project.preview()
    project.up()

    step = preview.step("settings", "create-replacement") if len(preview.steps) > 1 else preview.step("settings")
    assert (step.changes, step.replaces) == ({"data.a": "update-replace"}, ("data.a",))
    new_name = project.export()["settings"]["outputs"]["metadata"]["name"]
    assert new_name != old_name
    assert new_name.startswith("settings-")
    assert stack.live("ConfigMap", new_name)["data"] == {"a": "2"}
    assert not stack.live("ConfigMap", old_name)


def test_an_update_in_place_keeps_the_autoname(stack: PluginStack) -> None:
    project = stack.declare(config_map("1"))
    project.up()
    before = project.export()["settings"]["outputs"]
    stack.declare(config_map("1", metadata={"labels": {"tier": "front"}}))

    assert project.preview().operations == {"settings": "update"}
    project.up()

    live = stack.live("ConfigMap", before["metadata"]["name"])
    assert live["metadata"]["uid"] == before["metadata"]["uid"]
    assert live["metadata"]["labels"] == {"tier": "front"}


def test_changed_data_of_a_named_config_map_deletes_it_before_making_it_again(stack: PluginStack) -> None:
    project = stack.declare(config_map("1", metadata={"name": "fixed"}))
    project.up()
    old_uid = stack.live("ConfigMap", "fixed")["metadata"]["uid"]
    stack.declare(config_map("2", metadata={"name": "fixed"}))

    project.up()

    live = stack.live("ConfigMap", "fixed")
    assert live["metadata"]["uid"] != old_uid
    assert live["data"] == {"a": "2"}


def test_with_mutable_config_maps_changed_data_is_an_update(stack: PluginStack) -> None:
    stack.provider["enableConfigMapMutable"] = True
    project = stack.declare(config_map("1"))
    project.up()
    stack.declare(config_map("2"))

    assert project.preview().operations == {"settings": "update"}


def test_a_secret_is_stored_encoded_and_never_shown(stack: PluginStack) -> None:
    project = stack.declare(resource("token", "v1", "Secret", stringData={"token": "swordfish"}, secret=["stringData"]))

    shown = [project.run("preview", "--diff").output, project.up().output]
    raw_state = project.run("stack", "export").output

    encoded = base64.b64encode(b"swordfish").decode()
    assert project.export()["token"]["inputs"]["data"]["plaintext"] == f'{{"token":"{encoded}"}}'
    for text in (*shown, raw_state):
        assert "swordfish" not in text
        assert encoded not in text


def test_refresh_sees_drift_of_declared_fields_only(stack: PluginStack) -> None:
    project = stack.declare(config_map("1", metadata={"name": "drifting", "labels": {"tier": "front"}}))
    project.up()
    stack.apply_as(
        "someone", "v1", "ConfigMap", "drifting", metadata={"labels": {"extra": "label"}}, data={"b": "extra key"}
    )
    project.refresh()
    assert project.preview().operations == {}

    stack.apply_as("someone", "v1", "ConfigMap", "drifting", metadata={"labels": {"tier": "back"}}, data={"b": ""})
    assert project.preview().operations == {}
    project.refresh()

    told = project.failing_preview()
    assert "someone" in told
    assert ".metadata.labels.tier" in told


def test_refresh_forgets_what_was_deleted_elsewhere(stack: PluginStack) -> None:
    project = stack.declare(config_map("1", metadata={"name": "gone"}))
    project.up()
    stack.delete("configmap", "gone")

    project.refresh()

    assert project.preview().operations == {"settings": "create"}


def test_deletion_waits_until_the_object_is_gone(stack: PluginStack) -> None:
    held = config_map("1", metadata={"name": "held", "finalizers": ["example.org/hold"]})
    held.options["custom_timeouts"] = {"delete": "2s"}
    project = stack.declare(held)
    project.up()

    project.destroy(fails=True)

    assert "settings" in project.export()
    assert stack.live("configmap", "held")
    release = [{"op": "remove", "path": "/metadata/finalizers"}]
    scope = f"--namespace={stack.namespace}"
    stack.kubectl.run("patch", "configmap", "held", "--type=json", f"--patch={json.dumps(release)}", scope)
    project.destroy()
    assert project.export() == {}


def test_a_custom_resource_waits_for_its_definition(stack: PluginStack) -> None:
    group = f"{stack.namespace}.example.org"
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    definition = resource(
        "definition",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        metadata={"name": f"things.{group}"},
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    )
    thing = resource("thing", f"{group}/v1", "Thing", metadata={"name": "thing"}, spec={"free": {"form": 1}})
    project = stack.declare(definition, thing)

    project.up()

    assert stack.live(f"things.{group}", "thing")["spec"] == {"free": {"form": 1}}
    assert project.preview().operations == {}
    project.destroy()
