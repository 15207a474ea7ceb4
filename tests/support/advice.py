"""Follows the advice of problems as a person would: applies their edits to the files, and checks again."""

import json
from collections.abc import Sequence
from pathlib import Path

from stacks.assemble import Resolved
from stacks.edits import edited
from stacks.errors import ConfigurationError, Problem, WriteLine
from stacks.origin import Json, Tree
from stacks.resolve import resolve
from stacks.source import load
from tests.support.config_cases import STACK

FILES = {
    "stack": f"Pulumi.{STACK}.yaml",
    "site": "stacks/sites/here.yaml",
    "experiment": "stacks/experiments/tiny.yaml",
}
"""Files of the stack, by part."""


def read(root: Path) -> dict[str, Json]:
    """Values of the three files."""
    return {file: load(root / file, root).value for file in FILES.values()}


def write(root: Path, values: dict[str, Json]) -> dict[str, Tree]:
    """Write the three files as JSON, each key in a line of its own; give them as they are read."""
    for file, value in values.items():
        (root / file).write_text(json.dumps(value, indent=1))
    return {file: load(root / file, root) for file in values}


def outcome(root: Path) -> Resolved | Sequence[Problem]:
    """The stack, or what is wrong with it."""
    try:
        return resolve(STACK, root)
    except ConfigurationError as error:
        return error.problems


def follow(root: Path, problems: Sequence[Problem]) -> None:
    """Apply the edits of every problem that has some."""
    edits = [edit for problem in problems for edit in problem.edits]
    assert edits, "\n".join(map(str, problems))
    for edit in edits:
        if isinstance(edit, WriteLine):
            lines = (root / edit.file).read_text().split("\n")
            lines[edit.line - 1 : edit.line] = [] if edit.text is None else [edit.text]
            (root / edit.file).write_text("\n".join(lines))
    if not any(isinstance(edit, WriteLine) for edit in edits):
        write(root, dict(edited(read(root), edits)))
