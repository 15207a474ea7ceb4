"""Plain values, each with the file and line that it was written in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value of JSON."""

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings, indices of sequences."""


def dotted(path: KeyPath) -> str:
    """Write a path as people do: `pools[0].servers_max`."""
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in path]
    return "".join(parts).removeprefix(".")


def nodes(value: Json, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Json]]:
    """Yield the value and everything in it, each with its path, in order."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from nodes(item, (*path, key))


def leaves(value: Json) -> Iterator[tuple[KeyPath, Json]]:
    """Yield everything in a value that is neither a mapping with entries nor a list with items."""
    return ((path, node) for path, node in nodes(value) if not (isinstance(node, dict | list) and node))


@dataclass(frozen=True)
class Origin:
    """The place of a value in the files."""

    file: str
    """File, relative to the root of the repository."""
    line: int
    """Line, from 1."""
    by_override: bool = False
    """True for a value of a stack's override, and for one that the override removes."""
    text: str | None = None
    """A scalar as it is written, such as `24.10`, which is read as 24.1. None: a mapping, a list or the root."""

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"override {self.place}" if self.by_override else self.place


@dataclass(frozen=True)
class Tree:
    """A value with the origin of every mapping entry and sequence item in it; the root's own path is `()`."""

    value: Json
    origins: Mapping[KeyPath, Origin] = field(default_factory=dict)

    def value_at(self, path: KeyPath) -> Json:
        """Return the value at the path; None: it is null, or nothing was written there."""
        value: Any = self.value
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value  # type: ignore[no-any-return]

    def at(self, *path: str | int) -> "Tree | None":
        """Return the part below a path; None: nothing was written there."""
        if path not in self.origins:
            return None
        depth = len(path)
        below = {at[depth:]: origin for at, origin in self.origins.items() if at[:depth] == path}
        return Tree(self.value_at(path), below)

    @staticmethod
    def of(value: Json, origin: Origin) -> "Tree":
        """Return a tree of a value, all of it with one origin."""
        return Tree(value, {path: origin for path, _ in nodes(value)})

    @staticmethod
    def mapping(parts: "Mapping[str, Tree]", origin: Origin) -> "Tree":
        """Put trees under keys of one mapping, which has the origin."""
        origins = {(key, *path): at for key, part in parts.items() for path, at in part.origins.items()}
        return Tree({key: part.value for key, part in parts.items()}, {(): origin, **origins})

    def nearest_origin(self, path: KeyPath) -> Origin:
        """Return the origin of the path, or of the longest part of it that was written.

        Raises:
            KeyError: when not even the root has an origin.
        """
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins[path]
