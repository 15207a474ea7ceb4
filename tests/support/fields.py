"""Looks up every field of a manifest in the SDK's types: Pulumi, its provider and the API server drop a misspelt
field without a warning."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, get_args

from pulumi import _types

from tests.support.recorder import Resource

_GROUPS = {"networking.k8s.io": "networking", "rbac.authorization.k8s.io": "rbac"}
"""API groups whose Python module is not their own name."""


def unknown_fields(resource: Resource) -> list[str]:
    """Paths of the fields that the SDK does not know, such as `spec.template.spec.hostNetwrok`. Custom resources have
    no types there, and so no unknown fields here."""
    return unknown_fields_of(resource.type, resource.inputs)


def unknown_fields_of(token: str, manifest: Mapping[str, Any]) -> list[str]:
    """The same for a manifest of a type such as `kubernetes:apps/v1:Deployment`."""
    resource_class = _resource_class(token)
    if resource_class is None:
        return []
    return list(_unknown(manifest, resource_class, ""))


@cache
def fields_of(part: type) -> Mapping[str, type | None]:
    """Return the fields of a resource, or of a part of one, each with the type of the SDK that it holds, if any."""
    is_part = _types.is_output_type(part)
    hints = _types.output_type_types(part) if is_part else _types.resource_types(part)
    return {field: _held(_types.unwrap_type(hint)) for field, hint in hints.items()}


def _held(hint: Any) -> type | None:
    """Return the type of the mapping that a field holds, alone or in a list."""
    if isinstance(hint, type) and _types.is_output_type(hint):
        return hint
    return next((found for each in get_args(hint) if (found := _held(each))), None)


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


def _unknown(value: Any, part: type, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, part, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            where = f"{path}.{key}".removeprefix(".")
            if key not in fields_of(part):
                yield where
            elif held := fields_of(part)[key]:
                yield from _unknown(item, held, where)
