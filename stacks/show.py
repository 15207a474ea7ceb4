"""A resolved stack as YAML for people, with the origin of every value beside it."""

import json
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from stacks.assemble import Resolved
from stacks.origin import Json, KeyPath

_WIDTH_MAX = 120
_ORIGIN_COLUMN_MAX = 72


class _Line(NamedTuple):
    text: str
    path: KeyPath | None
    """Path of the value that begins in the line; None: none does."""


def render(resolved: Resolved, *, with_origins: bool) -> str:
    """Return the whole configuration as YAML; with origins, `# file:line`, `# override file:line` or `# default`."""
    lines = list(_mapping(resolved.config.model_dump(mode="json"), ()))
    if not with_origins:
        return "\n".join(line.text for line in lines)
    widths = [len(line.text) for line in lines if line.path and len(line.text) <= _ORIGIN_COLUMN_MAX]
    column = max(widths, default=0)
    return "\n".join(
        line.text if line.path is None else f"{line.text:<{column}}  # {resolved.origin(line.path) or 'default'}"
        for line in lines
    )


def _mapping(mapping: dict[str, Json], path: KeyPath) -> Iterator[_Line]:
    for key, value in mapping.items():
        yield from _entry(f"{_scalar(key)}:", value, (*path, key))


def _entry(head: str, value: Json, path: KeyPath) -> Iterator[_Line]:
    if isinstance(value, dict) and value:
        yield _Line(head, None)
        for line in _mapping(value, path):
            yield line._replace(text=f"  {line.text}")
    elif isinstance(value, list) and value:
        yield _Line(head, None)
        for index, item in enumerate(value):
            for number, line in enumerate(_item(item, (*path, index))):
                yield line._replace(text=f"{'    ' if number else '  - '}{line.text}")
    elif isinstance(value, str) and len(value) > _WIDTH_MAX - 24 and " ".join(value.split()) == value:
        yield _Line(f"{head} >-", path)
        for text in textwrap.wrap(value, _WIDTH_MAX - 24, break_long_words=False, break_on_hyphens=False):
            yield _Line(f"  {text}", None)
    else:
        yield _Line(f"{head} {_scalar(value)}", path)


def _item(value: Json, path: KeyPath) -> Iterator[_Line]:
    if isinstance(value, dict) and value:
        yield from _mapping(value, path)
    else:
        yield _Line(_scalar(value), path)


def _scalar(value: Json) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    text: str = yaml.safe_dump(value, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
