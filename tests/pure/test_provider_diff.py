"""Diff: what changed, and what that replaces."""

from typing import Any

import pytest

from devcluster.provider.diff import Difference, difference
from devcluster.provider.replacement import replace_triggers
from devcluster.provider.wire import UNKNOWN


def diff(
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    live: dict[str, Any] | None = None,
    ignored: tuple[str, ...] = (),
    is_patch: bool = False,
    **settings: bool,
) -> Difference:
    """Difference between inputs; the live object is the old inputs unless it is given."""
    return difference(
        old,
        old if live is None else live,
        new,
        namespaced=True,
        replace_on=replace_triggers(new, is_patch=is_patch, **settings),
        ignored=ignored,
    )


def changes(found: Difference) -> dict[str, str]:
    return {path: change.kind + ("!" if change.replaces else "") for path, change in found.by_path().items()}


def config_map(name: str = "cm", namespace: str = "home", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def of_kind(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "home"}, **fields}


def test_equal_inputs_are_no_change_whatever_the_server_added() -> None:
    declared = config_map(data={"a": "1"})
    live = config_map(data={"a": "1", "b": "added"}, metadata={"uid": "1", "labels": {"added": "label"}})

    assert changes(diff(declared, declared, live=live)) == {}


def test_drift_of_a_declared_field_is_a_change() -> None:
    declared = config_map(metadata={"labels": {"tier": "front"}})
    live = config_map(metadata={"labels": {"tier": "back"}})

    assert changes(diff(declared, declared, live=live)) == {"metadata.labels.tier": "UPDATE"}


def test_zero_values_that_the_server_leaves_out_are_no_change() -> None:
    declared = of_kind("apps/v1", "Deployment", spec={"paused": False, "template": {"ports": []}})
    live = of_kind("apps/v1", "Deployment", spec={"template": {}})

    assert changes(diff(declared, declared, live=live)) == {}


def test_values_that_come_go_or_change_are_told_apart() -> None:
    old = of_kind("v1", "Pod", metadata2={"gone": 1, "kept": 1}, list=[{"a": 1, "b": 1}, 2], type=1)
    new = of_kind("v1", "Pod", metadata2={"come": {"whole": 1}, "kept": 1}, list=[{"a": 2}, 2, 3], type="1")

    assert changes(diff(old, new)) == {
        "metadata2.gone": "DELETE",
        "metadata2.come": "ADD",
        "list[0].a": "UPDATE",
        "list[0].b": "DELETE",
        "list[2]": "ADD",
        "type": "UPDATE",
    }


def test_a_value_that_is_not_known_yet_may_change() -> None:
    old, new = config_map(metadata={"labels": {"a": "1"}}), config_map(metadata={"labels": {"a": UNKNOWN}})

    assert changes(diff(old, new)) == {"metadata.labels.a": "UPDATE"}


def test_no_namespace_is_the_namespace_default() -> None:
    old, new = config_map(namespace="default"), config_map(namespace="")

    assert changes(diff(old, new)) == {}


def test_ignored_paths_are_no_change() -> None:
    old = of_kind("apps/v1", "Deployment", spec={"replicas": 1, "paused": True})
    new = of_kind("apps/v1", "Deployment", spec={"replicas": 3, "paused": False})

    assert changes(diff(old, new, ignored=("spec.replicas",))) == {"spec.paused": "UPDATE"}


REPLACING = [
    (config_map(data={"a": "1"}), config_map(data={"a": "2"}), {"data.a": "UPDATE!"}),
    (config_map(data={"a": "1"}), config_map(), {"data": "DELETE!"}),
    (config_map(), config_map(binaryData={"a": ""}), {"binaryData": "ADD!"}),
    (config_map("one"), config_map("two"), {"metadata.name": "UPDATE!"}),
    (config_map(namespace="one"), config_map(namespace="two"), {"metadata.namespace": "UPDATE!"}),
    (of_kind("v1", "Secret", type="a"), of_kind("v1", "Secret", type="b"), {"type": "UPDATE!"}),
    (
        of_kind("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "1"}}, "replicas": 1}),
        of_kind("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "2"}}, "replicas": 2}),
        {"spec.selector.matchLabels.a": "UPDATE!", "spec.replicas": "UPDATE"},
    ),
    (
        of_kind("v1", "Pod", spec={"containers": [{"name": "a", "image": "x"}]}),
        of_kind("v1", "Pod", spec={"containers": [{"name": "a", "image": "y"}]}),
        {"spec.containers[0].image": "UPDATE!"},
    ),
    (
        of_kind("batch/v1", "Job", spec={"template": {"a": 1}, "suspend": False}),
        of_kind("batch/v1", "Job", spec={"template": {"a": 2}, "suspend": True}),
        {"spec.template.a": "UPDATE!", "spec.suspend": "UPDATE"},
    ),
    (
        of_kind("v1", "PersistentVolumeClaim", spec={"storageClassName": "a", "resources": {"requests": 1}}),
        of_kind("v1", "PersistentVolumeClaim", spec={"storageClassName": "b", "resources": {"requests": 2}}),
        {"spec.storageClassName": "UPDATE!", "spec.resources.requests": "UPDATE"},
    ),
    (
        of_kind("v1", "PersistentVolume", spec={"nfs": {"server": "a"}, "mountOptions": []}),
        of_kind("v1", "PersistentVolume", spec={"nfs": {"server": "b"}, "mountOptions": ["hard"]}),
        {"spec.nfs.server": "UPDATE!", "spec.mountOptions[0]": "ADD"},
    ),
    (
        of_kind("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "a"}, subjects=[1]),
        of_kind("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "b"}, subjects=[2]),
        {"roleRef.name": "UPDATE!", "subjects[0]": "UPDATE"},
    ),
]
UPDATED_IN_PLACE = [
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("v1", "Node"),
]


@pytest.mark.parametrize(("old", "new", "expected"), REPLACING)
def test_some_fields_replace_the_object(old: dict[str, Any], new: dict[str, Any], expected: dict[str, str]) -> None:
    found = diff(old, new)

    assert changes(found) == expected
    assert set(found.replaces) == {path for path, kind in expected.items() if kind.endswith("!")}


@pytest.mark.parametrize(("api_version", "kind"), UPDATED_IN_PLACE)
def test_other_kinds_are_updated_in_place(api_version: str, kind: str) -> None:
    old = of_kind(api_version, kind, spec={"selector": {"matchLabels": {"a": "1"}}})
    new = of_kind(api_version, kind, spec={"selector": {"matchLabels": {"a": "2"}}})

    assert diff(old, new).replaces == ()


def test_a_patch_is_replaced_by_its_name_only() -> None:
    old, new = config_map(data={"a": "1"}), config_map(data={"a": "2"})

    assert diff(old, new, is_patch=True).replaces == ()
    assert diff(config_map("a"), config_map("b"), is_patch=True).replaces == ("metadata.name",)


def test_the_mutable_setting_spares_config_maps_that_are_not_immutable() -> None:
    old, new = config_map(data={"a": "1"}), config_map(data={"a": "2"})
    fixed = config_map(data={"a": "2"}, immutable=True)

    assert diff(old, new, mutable_config_maps=True).replaces == ()
    assert "data.a" in diff(old, fixed, mutable_config_maps=True).replaces


def test_only_a_named_object_in_the_same_place_is_deleted_first() -> None:
    autonamed = {"annotations": {"pulumi.com/autonamed": "true"}}
    one: dict[str, Any] = {"data": {"a": "1"}}
    two: dict[str, Any] = {"data": {"a": "2"}}

    assert diff(config_map(**one), config_map(**two)).delete_before_replace
    assert not diff(config_map(**one, metadata=autonamed), config_map(**two, metadata=autonamed)).delete_before_replace
    assert not diff(config_map("a"), config_map("b")).delete_before_replace
    assert not diff(config_map(namespace="a"), config_map(namespace="b")).delete_before_replace
    assert not diff(config_map(), config_map(metadata={"labels": {"a": "1"}})).delete_before_replace
