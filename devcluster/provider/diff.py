"""Diff: how the new inputs differ from what stands, and whether an update in place can get there.

What stands is the live object of the state, reduced to the fields that the old inputs stated: fields that the server
or another actor added are nobody's change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.provider.names import is_autonamed
from devcluster.provider.paths import Path, covers, format_path, parse_path
from devcluster.provider.replacement import triggers
from devcluster.provider.state import prune
from devcluster.provider.wire import UNKNOWN


@dataclass(frozen=True)
class Change:
    """One changed field: its path, `ADD`, `DELETE` or `UPDATE`, and whether it forces a replacement."""

    path: Path
    kind: str
    replaces: bool


@dataclass(frozen=True)
class Difference:
    """All changed fields of a resource, by path."""

    changes: tuple[Change, ...]
    delete_before_replace: bool

    def by_path(self) -> dict[str, Change]:
        """The changes under their formatted paths."""
        return {format_path(change.path): change for change in self.changes}

    @property
    def replaces(self) -> tuple[str, ...]:
        """Paths of the changes that force a replacement."""
        return tuple(format_path(change.path) for change in self.changes if change.replaces)


def difference(
    old_inputs: dict[str, Any],
    old_live: dict[str, Any],
    new_inputs: dict[str, Any],
    *,
    namespaced: bool,
    replace_on: Sequence[Path],
    ignored: Sequence[str] = (),
) -> Difference:
    """Compare manifests. `ignored` are the paths of the resource's `ignore_changes`."""
    old = _comparable(prune(old_live, old_inputs), namespaced, old_live)
    new = _comparable(new_inputs, namespaced, {})
    ignored_paths = [parse_path(text) for text in ignored]
    changes = tuple(
        Change(path, kind, any(triggers(trigger, path, value) for trigger in replace_on))
        for path, kind, value in _changes((), old, new)
        if not any(covers(outer, path) for outer in ignored_paths)
    )
    same_place = all(_metadata(new).get(key, "") == _metadata(old_live).get(key, "") for key in ("name", "namespace"))
    named = bool(_metadata(new_inputs).get("name")) and not is_autonamed(new_inputs)
    return Difference(changes, any(change.replaces for change in changes) and named and same_place)


def _metadata(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest.get("metadata") or {}


def _comparable(manifest: dict[str, Any], namespaced: bool, live: dict[str, Any]) -> dict[str, Any]:
    """The manifest with what identifies it spelled one way: no namespace is the namespace `default`."""
    metadata = {key: value for key, value in _metadata(manifest).items() if key != "resourceVersion"}
    namespace = metadata.pop("namespace", "")
    if namespaced:
        metadata["namespace"] = namespace or "default"
    if live:
        metadata["name"] = _metadata(live).get("name")
    identity = {key: live[key] for key in ("apiVersion", "kind") if key in live}
    return {**identity, **manifest, "metadata": metadata}


def _changes(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, str, Any]]:
    """Path, kind and new value of each difference; a value that appears or goes whole is one difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _element((*path, key), old, new, key in old, key in new, key)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _element((*path, index), old, new, index < len(old), index < len(new), index)
    elif new is UNKNOWN or old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, "UPDATE", new


def _element(path: Path, old: Any, new: Any, in_old: bool, in_new: bool, key: Any) -> Iterator[tuple[Path, str, Any]]:
    if in_old and in_new:
        yield from _changes(path, old[key], new[key])
    elif in_new:
        yield path, "ADD", new[key]
    else:
        yield path, "DELETE", None
