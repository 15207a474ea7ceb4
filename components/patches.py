"""Patches of the configuration, merged into the objects of a stack before they are registered.

`stacks/schema/patches.py` checks them. Pulumi hands every child of the `SiteStack` to one transformation, which merges
here: a preview, a deployment and rendered files have the same objects.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi

from components.labels import POOL_LABEL
from stacks.schema.patches import DIRECTIVE, Patch, merge_key

Patches = Sequence[Mapping[str, Patch]]
"""Target -> fields, once for each file that has patches, in the order in which they apply."""


def transformation(
    patches: Patches,
) -> Callable[[pulumi.ResourceTransformationArgs], pulumi.ResourceTransformationResult | None]:
    """Return the transformation that merges the patches into each object that they name."""

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith("kubernetes:"):
            return None
        patched = with_patches(dict(args.props), patches)
        return pulumi.ResourceTransformationResult(props=patched, opts=args.opts)

    return transform


def with_patches(inputs: Mapping[str, Any], patches: Patches) -> dict[str, Any]:
    """Return the inputs of an object with the patches that name it.

    The SDK spells the fields at the top in snake_case, such as `string_data`, and those below as Kubernetes does.
    """
    patched = dict(inputs)
    for target in _targets(inputs):
        for fields in (each[target] for each in patches if target in each):
            patched = merged(patched, {_snake_case(key): value for key, value in fields.items()})
    return patched


def merged(target: Any, patch: Any, path: tuple[str, ...] = ()) -> Any:
    """Return the target with a strategic merge of the patch; neither is changed.

    The lists `ingress` and `egress` of a NetworkPolicy are appended to, since its rules only add up.
    """
    if isinstance(patch, Mapping):
        result = dict(target) if isinstance(target, Mapping) else {}
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(result.get(key), value, (*path, key))
        return result
    if isinstance(patch, list):
        there = target if isinstance(target, list) else []
        if (key := merge_key(path)) is not None:
            return _merged_items(there, patch, key, path)
        if path in {("spec", "ingress"), ("spec", "egress")}:
            return [*there, *patch]
    return patch


def _merged_items(target: Sequence[Any], patch: Sequence[Any], key: str, path: tuple[str, ...]) -> list[Any]:
    items = {item[key]: item for item in target}
    for item in patch:
        name = item[key]
        if item.get(DIRECTIVE) == "delete":
            items.pop(name, None)
        else:
            items[name] = merged(items.get(name), item, (*path, str(name)))
    return list(items.values())


def _targets(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the targets that name an object: for every pool, and for its own."""
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    component, pool = labels.get("app.kubernetes.io/component"), labels.get(POOL_LABEL)
    target = f"{inputs['kind']}/{component}"
    return (target, f"{target}/{pool}") if pool else (target,)


def _snake_case(key: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda letter: f"_{letter[0].lower()}", key)
