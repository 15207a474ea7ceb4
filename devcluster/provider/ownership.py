"""Who owns which field under server-side apply, and how an update respects it.

A new object is created with a plain POST, so its fields belong to the manager `pulumi-kubernetes` with operation
Update. The first real update hands them to the object's own manager (`__fieldManager`, operation Apply), in whose name
everything after is applied, without force.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from devcluster.provider.errors import ProviderError
from devcluster.provider.paths import Path, parse_path

Manifest = dict[str, Any]

CREATE_MANAGER = "pulumi-kubernetes"
_FORCE_ANNOTATION = "pulumi.com/patchForce"
_TAKEN_OVER = frozenset(
    {("kubectl", "Apply"), ("kubectl", "Update"), ("before-first-apply", "Update"), (CREATE_MANAGER, "Update")}
)
"""Managers whose fields become ours at the first update: our own POST, and a person's `kubectl apply`."""


def transfer_patch(live: Manifest, manager: str) -> list[Manifest]:
    """The JSON patch that hands the fields of `_TAKEN_OVER` to `manager`; empty when there is nothing to hand over."""
    entries: list[Manifest] = live["metadata"].get("managedFields") or []
    taken = [entry for entry in entries if _is_taken_over(entry)]
    if not taken:
        return []
    own = [entry for entry in entries if _is_own(entry, manager)]
    merged = {**(own or taken)[0], "manager": manager, "operation": "Apply"}
    for entry in (*own, *taken):
        merged["fieldsV1"] = _union(merged.get("fieldsV1") or {}, entry.get("fieldsV1") or {})
    others = [entry for entry in entries if entry not in taken and entry not in own]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*others, merged]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def _is_taken_over(entry: Manifest) -> bool:
    return (entry.get("manager"), entry.get("operation")) in _TAKEN_OVER and not entry.get("subresource")


def _is_own(entry: Manifest, manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _union(one: Manifest, other: Manifest) -> Manifest:
    return {**one, **{key: _union(one.get(key) or {}, fields) for key, fields in other.items()}}


def must_force(manifest: Manifest, live: Manifest, *, preview: bool) -> bool:
    """Whether to take fields from other managers.

    By annotation; for an object without any ownership record; and in a preview before the first update, where the
    transfer of our own fields has not happened and must not look like a conflict. (A real conflict with another
    actor stays hidden in that one preview: the official plugin has the same blind spot.)
    """
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    entries = live["metadata"].get("managedFields") or []
    if annotations.get(_FORCE_ANNOTATION) == "true" or not entries:
        return True
    return preview and any(
        entry.get("manager") == CREATE_MANAGER and entry.get("operation") == "Update" for entry in entries
    )


def without_ignored(manifest: Manifest, live: Manifest, manager: str, ignored: Sequence[str]) -> Manifest:
    """The manifest to apply when the program ignores changes of some fields.

    A field that another manager owns and we do not is left out, so that it stays that manager's. Any other ignored
    field keeps the live value, since leaving it out would unset it.

    Raises:
        ProviderError: An ignored path goes through a list, which ownership records do not index by number.
    """
    result = manifest
    for text in ignored:
        path = parse_path(text)
        if not all(isinstance(step, str) for step in path):
            msg = f"ignore_changes of {text!r} goes through a list: the provider can only ignore fields of mappings"
            raise ProviderError(msg)
        if _is_owned(live, path, lambda entry: entry.get("manager") != manager) and not _is_owned(
            live, path, lambda entry: entry.get("manager") == manager
        ):
            result = _edited(result, path, remove=True)
        else:
            for value in _values_at(live, path):
                result = _edited(result, path, value=value)
    return result


def _is_owned(live: Manifest, path: Path, by: Any) -> bool:
    wanted = tuple(f"f:{step}" for step in path)
    return any(
        list(_values_at(entry.get("fieldsV1") or {}, wanted))
        for entry in live["metadata"].get("managedFields") or ()
        if by(entry)
    )


def _values_at(tree: Any, path: Path) -> Iterator[Any]:
    """The value at the path; nothing when there is none."""
    for step in path:
        if not isinstance(tree, dict) or step not in tree:
            return
        tree = tree[step]
    yield tree


def _edited(tree: Manifest, path: Path, *, remove: bool = False, value: Any = None) -> Manifest:
    """A copy with the value at the path set or removed."""
    step, rest = str(path[0]), path[1:]
    if not rest:
        kept = {key: item for key, item in tree.items() if key != step}
        return kept if remove else {**kept, step: value}
    if not isinstance(tree.get(step), dict):
        return tree if remove else {**tree, step: _edited({}, rest, value=value)}
    return {**tree, step: _edited(tree[step], rest, remove=remove, value=value)}
