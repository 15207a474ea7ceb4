"""Looks up every field of a manifest in the SDK's types: Pulumi, its provider and the API server drop a misspelt
field without a warning."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, get_args, get_origin

from pulumi import _types

from tests.support.recorder import Resource

_GROUPS = {"networking.k8s.io": "networking", "rbac.authorization.k8s.io": "rbac"}
"""API groups whose Python module is not their own name."""


def unknown_fields(resource: Resource) -> list[str]:
    """Paths of the fields that the SDK does not know, such as `spec.template.spec.hostNetwrok`. Custom resources have
    no types there, and so no unknown fields here."""
    resource_class = _resource_class(resource.type)
    if resource_class is None:
        return []
    return list(_unknown(resource.inputs, _types.resource_types(resource_class), ""))


@cache
def _resource_class(token: str) -> type | None:
    _, group_version, kind = token.split(":")
    group, _, version = group_version.rpartition("/")
    try:
        module = import_module(f"pulumi_kubernetes.{_GROUPS.get(group, group)}.{version}")
    except ModuleNotFoundError:
        return None
    found: type = getattr(module, kind)
    return found


def _unknown(value: dict[str, Any], fields: dict[str, type], path: str) -> Iterator[str]:
    for key, item in value.items():
        if key not in fields:
            yield f"{path}{key}"
        else:
            yield from _unknown_in(item, _types.unwrap_type(fields[key]), f"{path}{key}")


def _unknown_in(value: Any, expected: Any, path: str) -> Iterator[str]:
    if isinstance(value, list) and get_args(expected):
        for index, item in enumerate(value):
            yield from _unknown_in(item, _types.unwrap_type(get_args(expected)[0]), f"{path}[{index}]")
    elif isinstance(value, dict) and get_origin(expected) is None and _types.is_output_type(expected):
        yield from _unknown(value, _types.output_type_types(expected), f"{path}.")
