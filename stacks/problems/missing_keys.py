"""Keys that must be there and are not."""

from typing import Any

from stacks.errors import Edit, Problem, Remove, Write
from stacks.origin import Json, KeyPath, Origin, dotted
from stacks.problems.written import Written
from stacks.source import written


def missing_key(stack: Written, path: KeyPath) -> Problem:
    """Return the problem of a key that must be there and is not."""
    node = stack.schema.at(path, stack.tree.value)
    origin, rule = _origin(stack, path), f"must be {stack.schema.rule(node)}"
    file, at = stack.location(path, origin)
    if path in stack.tree.origins:
        edits: tuple[Edit, ...] = (Remove(file, at),)
        if stack.accepts(path, *edits):
            sentence = f"{dotted(path)} is removed by the override: {rule}: take `{path[-1]}: null` out of it"
            return Problem(origin.place, sentence, edits)
    edits = (Write(file, at, stack.schema.example(node)),)
    where = " to the override" if origin.by_override else ""
    if not origin.by_override and path[:-1] and stack.tree.nearest_origin(path).by_override:
        where = f" below `{dotted(path[1:-1])}`"  # which the file does not have
    way_out = f"add `{path[-1]}`{where}{_such_as(path, stack.schema.example(node))}{_meaning(node)}"
    if not stack.accepts(path, *edits):
        edits = ()
    return Problem(origin.place, f"{stack.thing(path)} is missing: {rule}: {way_out}", edits)


def _origin(stack: Written, path: KeyPath) -> Origin:
    """Return the line that must have a key: that of the override only if it, and not the file, asks for the key."""
    origin = stack.kind_origin(path) or stack.tree.nearest_origin(path)
    for depth in range(2, len(path)):
        step = path[:depth]
        if origin.by_override and step not in stack.parts.origins:
            above = stack.schema.at(step[:-1], stack.tree.value)
            return stack.parts.nearest_origin(step) if step[-1] in above.get("required", []) else origin
    return origin


def _such_as(path: KeyPath, example: Json) -> str:
    return "" if example in ("text", "", None) else f", such as `{path[-1]}: {written(example)}`"


def _meaning(node: Any) -> str:
    meaning = " ".join(str(node.get("description", "")).split()).partition(". ")[0].removesuffix(".")
    return f" ({meaning})" if meaning else ""
