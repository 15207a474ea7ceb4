"""The table of Kubernetes' fields has what the Pulumi SDK has, for each kind that a patch may name."""

import json

import pulumi_kubernetes as k8s
import pytest

from stacks.schema.kubernetes_fields import FIELDS_FILE, unknown_fields
from stacks.schema.patch_rules import PATCHABLE
from tests.support.fields import fields_of

KINDS: tuple[type, ...] = (
    *(k8s.apps.v1.Deployment, k8s.networking.v1.NetworkPolicy, k8s.networking.v1.Ingress),
    *(k8s.core.v1.Service, k8s.core.v1.ServiceAccount, k8s.policy.v1.PodDisruptionBudget),
    *(k8s.core.v1.PersistentVolumeClaim, k8s.core.v1.PersistentVolume),
)
CUSTOM = {"ScaledObject", "GRPCRoute"}


def fields_by_type() -> dict[str, dict[str, str]]:
    """The table: type -> field -> type of what it holds. What only the cluster writes is left out."""
    table: dict[str, dict[str, str]] = {}
    left = list(KINDS)
    while left:
        part = left.pop()
        if part.__name__ not in table:
            fields = {field: kind for field, kind in fields_of(part).items() if field != "status"}
            table[part.__name__] = {field: kind.__name__ if kind else "" for field, kind in fields.items()}
            left += [kind for kind in fields.values() if kind]
    return table


def test_the_table_is_that_of_the_sdk(request: pytest.FixtureRequest) -> None:
    table = json.dumps(fields_by_type(), indent=1, sort_keys=True) + "\n"
    if request.config.getoption("--update-golden"):
        FIELDS_FILE.write_text(table)
    assert FIELDS_FILE.read_text() == table


def test_every_kind_that_a_patch_may_name_is_in_the_table_or_custom() -> None:
    assert {kind.__name__ for kind in KINDS} | CUSTOM == set(PATCHABLE)


def test_a_field_is_found_in_lists_and_mappings_and_what_users_name_freely_is_not() -> None:
    pod = {
        "nodeSelector": {"a.example/b": "c"},
        "containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "imagePulPolicy": "Always"}],
    }
    patch = {"metadata": {"annotations": {"x": "y"}}, "spec": {"template": {"spec": pod}}, "sepc": {}}
    found = list(unknown_fields("Deployment", patch))
    containers = ("spec", "template", "spec", "containers")
    assert [each.path for each in found] == [(*containers, 1, "imagePulPolicy"), ("sepc",)]
    assert "imagePullPolicy" in found[0].known
    assert list(unknown_fields("ScaledObject", {"spec": {"anything": 1}})) == []
