"""Sentences from the findings of pydantic: file and line, thing, value found, rule, way out.

A way out that changes the files is tried before it is advised: the files with the edits in them are validated, and what
the models refuse is not said. Each kind of finding has a module.
"""

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.errors import Edit, Problem, Remove, Write, near
from stacks.json_schema import schema_of
from stacks.origin import KeyPath, Tree, dotted, nodes
from stacks.problems.kinds import wrong_kind
from stacks.problems.missing_keys import missing_key
from stacks.problems.override_lists import partial_list
from stacks.problems.rules import broken_rules
from stacks.problems.unknown_keys import is_of_type, meant_places, unknown_key
from stacks.problems.values import wrong_key, wrong_value
from stacks.problems.written import Written, key_path
from stacks.schema import StackConfig
from stacks.schema.base import BrokenRulesError
from stacks.stack_file import PROJECT

__all__ = ["Written", "of_hidden_values", "of_removals", "of_validation"]


def of_validation(error: ValidationError, stack: Written) -> Iterator[Problem]:
    """Yield a problem for each thing that is wrong with a stack, from the findings of pydantic."""
    lists: set[KeyPath] = set()
    errors = error.errors(include_url=False)
    for details in errors:
        if not _follows(details, errors):
            yield from _problems(stack, details, errors, lists)


def of_hidden_values(error: ValidationError, stack: Written, merged: Tree) -> Iterator[Problem]:
    """Yield a problem for each wrong value of the files that the override replaces, which other stacks may read.

    Args:
        error: the findings on the parts without the override.
        stack: the parts without the override.
        merged: the parts with it.
    """
    lists: set[KeyPath] = set()
    errors = error.errors(include_url=False)
    for details in errors:
        path, _ = key_path(details["loc"], stack.tree.value)
        broken = isinstance(details.get("ctx", {}).get("error"), BrokenRulesError)
        wrong = not broken and details["type"] not in {"missing", "union_tag_not_found"}
        if wrong and not _follows(details, errors) and merged.nearest_origin(path).by_override:
            yield from _problems(stack, details, errors, lists)


def of_removals(stack: Written, override: Tree) -> Iterator[Problem]:
    """Yield a problem for each null of the override that removes nothing, since no such key exists."""
    schema = schema_of(StackConfig)
    for path, value in nodes(override.value):
        if value is not None or len(path) < 2 or path in stack.parts.origins:
            continue
        known = schema.keys(schema.at(path[:-1], stack.tree.value)) + schema.keys(
            schema.at(path[:-1], stack.parts.value)
        )
        if known and path[-1] not in known:
            file, at = stack.stack_file, ("config", f"{PROJECT}:override", *path)
            there = stack.parts.value_at(path[:-1])
            meant = near(str(path[-1]), there if isinstance(there, dict) else ())
            edits: tuple[Edit, ...] = (Remove(file, at), *((Write(file, (*at[:-1], meant), None),) if meant else ()))
            sentence = f"{dotted(path)}: found the key `{path[-1]}`, which is not there to be removed"
            way_out = f"did you mean `{meant}`?" if meant else "take it out of the override"
            yield Problem(override.origins[path].place, f"{sentence}: {way_out}", edits)


def _problems(
    stack: Written, details: ErrorDetails, errors: list[ErrorDetails], lists: set[KeyPath]
) -> Iterator[Problem]:
    """Yield the problems of one finding. `lists` are those of the override that were told as a whole, and grows."""
    path, of_key = key_path(details["loc"], stack.tree.value)
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, BrokenRulesError):
        yield from broken_rules(stack, cause, path)
    elif of_key:
        yield wrong_key(stack, path, cause)
    elif details["type"] in {"missing", "union_tag_not_found"} and _hides_another_type(stack, path):
        return  # told as a value that the override hides
    elif details["type"] in {"missing", "union_tag_not_found"} and (partial := partial_list(stack, path, lists)):
        yield from partial
    elif details["type"] == "extra_forbidden":
        yield from () if is_of_type(stack, path) else (unknown_key(stack, path),)
    elif details["type"] == "missing":
        unknown = [
            key_path(other["loc"], stack.tree.value)[0] for other in errors if other["type"] == "extra_forbidden"
        ]
        wrapped = (path[0], path[0]) in unknown
        meant = [target for other in unknown for target in meant_places(stack, other)]
        if not wrapped and not any(path[: len(each)] == each for each in meant):
            yield missing_key(stack, path)
    elif details["type"].startswith("union_tag"):
        yield wrong_kind(stack, path)
    else:
        yield wrong_value(stack, path, details["input"], cause)


def _hides_another_type(stack: Written, path: KeyPath) -> bool:
    """Tell whether an override's mapping replaces something that is none, of which it would be a patch."""
    steps = (path[:depth] for depth in range(1, len(path) + 1))
    return any(
        step in stack.parts.origins and not isinstance(stack.parts.value_at(step), dict | None)
        for step in steps
        if isinstance(stack.tree.value_at(step), dict)
    )


def _follows(details: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Tell whether an error only follows from another.

    A part whose file cannot be read is missing too, and pydantic does not count the wrong items of a list.
    """
    own = details["loc"]
    if details["type"] == "missing":
        return len(own) == 1
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(own) and other["loc"][: len(own)] == own for other in errors
    )
