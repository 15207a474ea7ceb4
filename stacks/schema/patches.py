"""Patches of a stack's objects: targets, and how their lists merge.

A patch is a strategic merge, as `kubectl patch` has it: mappings merge, null removes a field, and lists of containers,
variables, volumes, mounts and ports merge by the key that names their items. `components/patches.py` applies it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from stacks.origin import KeyPath

PatchTarget = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Za-z]+/[a-z-]+(/[a-z0-9-]+)?$",
        title="a kind and a component of the stack, and for servers their pool if it is not every pool",
        examples=["Deployment/triton"],
        max_length=253,
    ),
]
"""Objects of a stack: `<kind>/<component>` or `<kind>/triton/<pool>`."""

Patch = dict[str, Any]
"""Fields of a Kubernetes object, in Kubernetes' own spelling."""

DIRECTIVE = "$patch"
"""Key of an item of a list whose value `delete` removes the item."""

MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
"""Field with a list -> key that names its items (`x-kubernetes-patch-merge-key` in Kubernetes' OpenAPI). `ports` has
two, by its place; every other list is replaced whole."""


class Leaf(NamedTuple):
    """A field that a patch sets."""

    path: tuple[str, ...]
    """Way to the field; an item of a list is named by its merge key."""
    value: Any
    """Value that it sets; None removes the field."""
    written: KeyPath
    """Way to the field in the file, by numbers of items."""


def leaves(patch: Any, path: tuple[str, ...] = (), written: KeyPath = ()) -> Iterator[Leaf]:
    """Yield every field that a patch sets. A list without a merge key is one field.

    Raises:
        ValueError: an item of a list does not name itself.
    """
    match patch:
        case dict():
            for key, value in patch.items():
                yield from leaves(value, (*path, str(key)), (*written, key))
        case list() if (key := merge_key(path)) is not None:
            for index, item in enumerate(patch):
                if not isinstance(item, dict) or not isinstance(item.get(key), str | int):
                    msg = f"{'.'.join(path)}[{index}] has no `{key}`, by which items of this list merge: add it"
                    raise ValueError(msg)
                rest = {field: value for field, value in item.items() if field != key}
                # An item of a name alone is a field too, such as a port.
                yield from leaves(rest or item, (*path, str(item[key])), (*written, index))
        case _:
            yield Leaf(path, patch, written)


def merge_key(path: Sequence[str]) -> str | None:
    """Return the key that names the items of the list at a path; None: the list is replaced whole."""
    if not path:
        return None
    if path[-1] == "ports":
        return "port" if "containers" not in path and "initContainers" not in path else "containerPort"
    return MERGE_KEYS.get(path[-1])
