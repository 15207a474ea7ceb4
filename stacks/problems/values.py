"""Values that their rule refuses, and keys of mappings whose keys are values too."""

import json
from collections.abc import Iterable

from stacks.errors import Advice, Problem, Remove, Write, found
from stacks.json_schema import Node
from stacks.origin import Json, KeyPath, Origin, dotted
from stacks.placeholders import placeholders_at
from stacks.problems.override_lists import patched_by_mapping
from stacks.problems.written import Written
from stacks.source import written
from stacks.suggestions import NOTHING, suggestions

_KEYS_MAX = 6
"""Keys that a sentence names."""


def wrong_value(stack: Written, path: KeyPath, value: Json, cause: Exception | None) -> Problem:
    """Return the problem of a value that its rule refuses."""
    origin = stack.tree.nearest_origin(path)
    node = stack.schema.at(path, stack.tree.value)
    rule, advice = f"must be {stack.schema.rule(node)}", _value_advice(stack, path, node, value, origin)
    if cause is not None:  # a validator of ours, which says its rule and a way out
        rule, advice = str(cause), advice or _without(stack, path, origin)
        general, _, example = rule.rpartition(": ")
        rule = general if advice.words and example.startswith("write one such as") else rule
    advice = advice or _example(stack, path, node, origin)
    way_out = advice.words if not advice.words or advice.words.startswith(",") else f": {advice.words}"
    sentence = f"{stack.thing(path)}: found {stack.found(path, value)}: {rule}{way_out}"
    return Problem(origin.place, sentence, advice.edits)


def wrong_key(stack: Written, path: KeyPath, cause: Exception | None) -> Problem:
    """Return the problem of a key of a mapping with free keys that their rule refuses."""
    node = stack.schema.key_rule(stack.schema.at(path[:-1], stack.tree.value))
    key, origin = str(path[-1]), stack.tree.nearest_origin(path)
    file, at = stack.location(path, origin)
    if cause is not None:  # a validator of ours, which says its rule and its way out
        sentence = f"{dotted(path[:-1])}: found the key {found(key)}: {cause}"
        return Problem(origin.place, sentence, (Remove(file, at),))
    advice = Advice(f"write one such as {stack.schema.example(node)}")
    for meant in suggestions(stack.schema, node, key, key, key):
        edits = (Remove(file, at), Write(file, (*at[:-1], str(meant)), stack.tree.value_at(path)))
        if meant != key and stack.accepts((*path[:-1], str(meant)), *edits):
            advice = Advice(f"write {written(meant)}", edits)
            break
    rule = stack.schema.rule(node)
    sentence = f"{dotted(path[:-1])}: found the key {found(key)}: must be {rule}: {advice.words}"
    return Problem(origin.place, sentence, advice.edits)


def _value_advice(stack: Written, path: KeyPath, node: Node, value: Json, origin: Origin) -> Advice | None:
    """Return the value that was meant, or the removal of a key that need not be there."""
    template = stack.templates.get(path, value)
    if path[0] == "site" and isinstance(value, str) and "{" in value:
        *filled, last = (f"{{{each}}}" for each in placeholders_at(path[1:]))
        return Advice(f"write the text itself, for only {', '.join(filled)} and {last} are filled in")
    file, at = stack.location(path, origin)
    if (advice := _several(stack, path, value, origin)) is not None:
        return advice
    raw = template if isinstance(template, str) else stack.raw(path, value)
    guesses = [
        *suggestions(stack.schema, node, template, raw, str(path[-1])),
        *patched_by_mapping(stack, path, value, origin),
    ]
    options = [Write(file, at, meant) for meant in guesses]
    accepted = next((edit for edit in options if stack.accepts(path, edit)), None)
    if accepted is None and "propertyNames" not in stack.schema.resolved(node):
        # A mapping may lack keys that the next check names.
        mappings = (edit for edit in options if isinstance(edit.value, dict) and edit.value)
        accepted = next((edit for edit in mappings if stack.accepts(path, edit, below=False)), None)
    if accepted is not None:
        return Advice(_write(value, accepted.value, node, stack.schema.keys(node)), (accepted,))
    optional = path[-1] not in stack.schema.at(path[:-1], stack.tree.value).get("required", [])
    edit = Remove(file, at)
    if value in NOTHING and optional and not isinstance(path[-1], int) and stack.accepts(path, edit):
        default = node.get("default")
        return Advice("remove it" + ("" if default is None else f", and it is {written(default)}"), (edit,))
    if origin.by_override and value is None and stack.accepts(path, edit):
        return Advice("take it out of the override", (edit,))
    return None


def _several(stack: Written, path: KeyPath, value: Json, origin: Origin) -> Advice | None:
    """Return the way out of a list in place of the first of several mappings, such as `exposure`."""
    further = f"further_{path[-1]}s"
    if not (isinstance(value, list) and len(value) > 1) or further not in stack.schema.keys(
        stack.schema.at(path[:-1], stack.tree.value)
    ):
        return None
    file, at = stack.location(path, origin)
    edits = (Write(file, at, value[0]), Write(file, (*at[:-1], further), value[1:]))
    return Advice(f"write its first item here, and the others as the list `{further}`", edits)


def _without(stack: Written, path: KeyPath, origin: Origin) -> Advice:
    """Return the removal of a key that need not be there, beside the way out that its rule says."""
    edit = Remove(*stack.location(path, origin))
    optional = path[-1] not in stack.schema.at(path[:-1], stack.tree.value).get("required", [])
    image = "image" in stack.schema.rule(stack.schema.at(path, stack.tree.value))
    if image and optional and stack.accepts(path, edit):
        return Advice(", or remove it", (edit,))
    return Advice("")


def _example(stack: Written, path: KeyPath, node: Node, origin: Origin) -> Advice:
    resolved = stack.schema.resolved(node)
    of_part = stack.parts.value_at(path) if origin.by_override else None
    example = stack.schema.example(node) if of_part is None else of_part
    edit = Write(*stack.location(path, origin), example)
    edits = (edit,) if stack.accepts(path, edit) else ()
    if "enum" in resolved:
        return Advice("write one of them", edits)
    if example in ("text", ""):
        comment = ", in quotes if it begins with #" if stack.tree.value_at(path) is None else ""
        return Advice(f"write it as text{comment}", edits)
    if example == {}:
        return Advice(_keys_or_none(stack.schema.keys(resolved)), edits)
    what = {"integer": "a number", "number": "a number", "array": "a list"}.get(resolved.get("type", ""), "one")
    return Advice(f"write {what} such as {written(example)}", edits)


def _write(value: Json, meant: Json, node: Node, keys: Iterable[str]) -> str:
    if "enum" in node:
        return f"did you mean `{meant}`?"
    if meant == {}:
        return _keys_or_none(keys)
    if isinstance(value, str) and isinstance(meant, int | float) and not isinstance(meant, bool):
        return f"write {written(meant)}, without quotes or unit"
    if isinstance(value, bool | int | float) and isinstance(meant, str):
        return f"put it in quotes: {json.dumps(meant)}"
    return f"write {written(meant)}"


def _keys_or_none(keys: Iterable[str]) -> str:
    names = [f"`{key}`" for key in keys]
    named = f" ({', '.join(names)})" if 0 < len(names) <= _KEYS_MAX else ""
    return f"write its keys{named} below it, or `{{}}` for none"
