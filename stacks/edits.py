"""Edits applied to the values of files, to try an advice before it is given."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from stacks.errors import Edit, Remove, Write
from stacks.origin import Json, KeyPath


def edited(files: Mapping[str, Json], edits: Iterable[Edit]) -> Mapping[str, Json]:
    """Return the values of files after edits; the arguments are not changed. A line is no value, and stays."""
    result = dict(deepcopy(files))
    for edit in edits:
        if isinstance(edit, Write) and edit.file in result:
            result[edit.file] = _written(result[edit.file], edit.path, edit.value)
        elif isinstance(edit, Remove) and edit.file in result:
            _remove(result[edit.file], edit.path)
    return result


def _written(value: Any, path: KeyPath, new: Json) -> Any:
    if not path:
        return new
    key = path[0]
    if isinstance(key, int):
        items = value if isinstance(value, list) else []
        if key < len(items):
            items[key] = _written(items[key], path[1:], new)
        else:
            items.append(_written(None, path[1:], new))
        return items
    mapping = value if isinstance(value, dict) else {}
    mapping[key] = _written(mapping.get(key), path[1:], new)
    return mapping


def _remove(value: Any, path: KeyPath) -> None:
    for key in path[:-1]:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return
    last = path[-1]
    if isinstance(value, dict):
        value.pop(last, None)
    elif isinstance(value, list) and isinstance(last, int) and last < len(value):
        value.pop(last)
