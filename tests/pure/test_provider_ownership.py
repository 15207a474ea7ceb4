"""Whose fields are whose, from the records of server-side apply."""

from typing import Any

import pytest

from devcluster.provider.errors import ProviderError
from devcluster.provider.ownership import must_force, transfer_patch, without_ignored

OURS = "pulumi-kubernetes-1a2b3c4d"


def entry(manager: str, operation: str, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, "subresource": subresource}


def live(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "managedFields": list(entries)}, **fields}


def test_the_first_update_takes_over_what_the_creation_and_kubectl_apply_wrote() -> None:
    scaled = entry("hpa", "Update", {"f:spec": {"f:replicas": {}}}, "scale")
    created = entry("pulumi-kubernetes", "Update", {"f:data": {"f:a": {}}})
    applied = entry("kubectl", "Apply", {"f:data": {"f:b": {}}})

    patch = transfer_patch(live(created, scaled, applied), OURS)

    merged = {**created, "manager": OURS, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}
    assert patch[0]["value"] == [scaled, merged]
    assert patch[1]["value"] == "7"


def test_with_nothing_to_take_over_there_is_no_patch() -> None:
    own = entry(OURS, "Apply", {"f:data": {}})
    status = entry("pulumi-kubernetes", "Update", {"f:status": {}}, "status")

    assert transfer_patch(live(own, status), OURS) == []


def test_a_preview_before_the_first_update_forces_and_nothing_else_does() -> None:
    created = live(entry("pulumi-kubernetes", "Update", {}))
    taken_over = live(entry(OURS, "Apply", {}))
    annotated = {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}}

    assert must_force({}, created, preview=True)
    assert not must_force({}, created, preview=False)
    assert not must_force({}, taken_over, preview=True)
    assert must_force(annotated, taken_over, preview=False)
    assert must_force({}, live(), preview=False)


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
DECLARED = {"spec": {"replicas": 1, "paused": False}}


def test_an_ignored_field_of_another_manager_is_left_to_it() -> None:
    scaled = live(entry("hpa", "Update", REPLICAS, "scale"), spec={"replicas": 5})

    assert without_ignored(DECLARED, scaled, OURS, ["spec.replicas"]) == {"spec": {"paused": False}}


def test_an_ignored_field_that_we_own_keeps_its_live_value() -> None:
    shared = live(entry("hpa", "Update", REPLICAS), entry(OURS, "Apply", REPLICAS), spec={"replicas": 5})

    assert without_ignored(DECLARED, shared, OURS, ["spec.replicas"]) == {"spec": {"replicas": 5, "paused": False}}


def test_an_ignored_field_that_is_not_there_is_sent_as_declared() -> None:
    assert without_ignored(DECLARED, live(spec={}), OURS, ["spec.replicas"]) == DECLARED


def test_a_field_that_is_ignored_but_not_declared_keeps_its_live_value() -> None:
    standing = live(metadata2={"labels": {"a.b/c": "kept"}})

    result = without_ignored({"spec": {}}, standing, OURS, ['metadata2.labels["a.b/c"]'])

    assert result == {"spec": {}, "metadata2": {"labels": {"a.b/c": "kept"}}}


def test_ignoring_inside_a_list_is_refused() -> None:
    with pytest.raises(ProviderError, match=r"ignore_changes of 'spec.ports\[0\].port' goes through a list"):
        without_ignored(DECLARED, live(), OURS, ["spec.ports[0].port"])
