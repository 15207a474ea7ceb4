"""Names of the fields of Kubernetes objects, by which a patch's mistyped field is found without a cluster.

`kubernetes_fields.json` has them by type: field -> type of a mapping or of a list of mappings, empty for anything else.
`tests/graph/test_kubernetes_fields.py` holds it against the Pulumi SDK and writes it anew. It has no custom resources.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from stacks.origin import KeyPath

FIELDS_FILE = Path(__file__).with_suffix(".json")


class UnknownField(NamedTuple):
    """A field that Kubernetes does not have."""

    path: KeyPath
    """Way to it, by numbers of items."""
    known: tuple[str, ...]
    """The fields that Kubernetes has there."""


def unknown_fields(kind: str, fields: Any, path: KeyPath = ()) -> Iterator[UnknownField]:
    """Yield each field that an object of a kind, or a part of a type, does not have; none for a custom resource.

    Kubernetes' directives, such as `$patch`, are fields of every mapping.
    """
    known = _fields_by_type().get(kind)
    if known is None:
        return
    match fields:
        case dict():
            for key, value in fields.items():
                if key in known:
                    yield from unknown_fields(known[key], value, (*path, key))
                elif not str(key).startswith("$"):
                    yield UnknownField((*path, key), tuple(known))
        case list():
            for index, item in enumerate(fields):
                yield from unknown_fields(kind, item, (*path, index))


@cache
def _fields_by_type() -> Mapping[str, Mapping[str, str]]:
    read: Mapping[str, Mapping[str, str]] = json.loads(FIELDS_FILE.read_text(encoding="utf-8"))
    return read
