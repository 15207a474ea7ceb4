"""`{experiment}` and `{instance}` in the texts of a site: one site file serves every stack there."""

import re
from collections.abc import Mapping

from stacks.origin import Json, KeyPath, Tree, nodes

PLACEHOLDERS = ("experiment", "instance")
"""Words that may be written in braces in any text of a site."""
PATTERN = rf"\{{({'|'.join(PLACEHOLDERS)})\}}"
"""Regular expression that matches one of them with its braces."""


def fill(tree: Tree, values: Mapping[str, str]) -> Tree:
    """Return the tree with the values of the placeholders in its texts. Keys and origins stay as they are."""
    return Tree(_filled(tree.value, values), tree.origins)


def templates(tree: Tree) -> Mapping[KeyPath, str]:
    """Return the texts of a tree that hold placeholders, by path."""
    return {path: value for path, value in nodes(tree.value) if isinstance(value, str) and re.search(PATTERN, value)}


def _filled(value: Json, values: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return re.sub(PATTERN, lambda match: values[match[1]], value) if isinstance(value, str) else value
