"""Values that their rule refuses, and keys of mappings whose keys are values too."""

import json
import re
from collections.abc import Iterable

from stacks.errors import Advice, Problem, Remove, Write, found, near
from stacks.json_schema import Node
from stacks.origin import Json, KeyPath, Origin, dotted
from stacks.placeholders import placeholders_at
from stacks.problems.override_lists import patched_by_mapping
from stacks.problems.written import Written
from stacks.source import mapping_in, written
from stacks.suggestions import NOTHING, SCALARS, suggestions

_KEYS_MAX = 6
"""Keys that a sentence names."""
_PLACEHOLDER = re.compile(r"\$?\{+\s*[.\w]*?([A-Za-z]+)\s*\}+|<([A-Za-z]+)>|\$([A-Za-z]+)|%([A-Za-z]+)%")
"""A placeholder of this program or of another, such as `${experiment}` or `{{ .Values.experiment }}`."""


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
    if (advice := _placeholder(stack, path, template, origin)) is not None:
        return advice
    if path[0] == "site" and len(path) > 1 and isinstance(value, str) and "{" in value:
        *filled, last = (f"{{{each}}}" for each in placeholders_at(path[1:]))
        return Advice(f"write the text itself, for only {', '.join(filled)} and {last} are filled in")
    file, at = stack.location(path, origin)
    if (advice := _several(stack, path, value, origin) or _reference_of_kubernetes(path, value, file, at)) is not None:
        return advice
    raw = template if isinstance(template, str) else stack.raw(path, value)
    as_text = isinstance(value, str) and ("\n" in value or value.lstrip().startswith("{"))
    parsed = mapping_in(value) if as_text else None
    if parsed and stack.accepts(path, whole := Write(file, at, parsed), below=False):
        return Advice(f"write its keys below it, without quotes and without `|`: {written(parsed)}", (whole,))
    guesses = [
        *suggestions(stack.schema, node, template, raw, str(path[-1])),
        *patched_by_mapping(stack, path, value, origin),
    ]
    accepted = _accepted(stack, path, value, [Write(file, at, meant) for meant in guesses])
    if accepted is not None:
        return Advice(_write(value, accepted.value, node, stack.schema.keys(node)), (accepted,))
    if (advice := _one_of_list(stack, path, node, value, raw, origin)) is not None:
        return advice
    optional = path[-1] not in stack.schema.at(path[:-1], stack.tree.value).get("required", [])
    edit = Remove(file, at)
    needless = value in NOTHING and optional and not isinstance(path[-1], int)
    if needless and stack.accepts(path, edit) and not stack.breaks_rule(path, edit):
        default = node.get("default")
        return Advice("remove it" + ("" if default is None else f", and it is {written(default)}"), (edit,))
    if origin.by_override and value is None and stack.accepts(path, edit):
        return Advice("take it out of the override", (edit,))
    return None


def _accepted(stack: Written, path: KeyPath, value: Json, options: list[Write]) -> Write | None:
    """Return the first edit with which a value is right, else one with which its own kind is.

    What is wrong below it, or breaks a rule, the next check names.
    """
    fitting = [edit for edit in options if stack.accepts(path, edit)]
    if fitting:
        return next((edit for edit in fitting if not stack.breaks_rule(path, edit)), fitting[0])
    node = stack.schema.resolved(stack.schema.at(path, stack.tree.value))
    for edit in options:
        if isinstance(edit.value, list) and edit.value:
            repaired = edit._replace(value=_repaired(stack, path, node, edit))
            if stack.accepts(path, repaired):
                return repaired
    if "propertyNames" in node:
        return None
    known = set(stack.schema.keys(node))
    kinds = stack.schema.kinds(node)
    mappings = (
        edit
        for edit in options
        if (
            isinstance(edit.value, dict)
            and edit.value
            and (kinds or known & set(edit.value) or not isinstance(value, str))
        )
        or (isinstance(edit.value, list) and edit.value and all(map(_is_mapping_or_flag, edit.value)))
    )
    return next((edit for edit in mappings if stack.accepts(path, edit, below=False)), None)


def _is_mapping_or_flag(item: Json) -> bool:
    return isinstance(item, dict) or str(item).startswith("--")


def _repaired(stack: Written, path: KeyPath, node: Node, edit: Write) -> Json:
    """Return the list of an edit with the suggestion for each item that is not accepted."""
    items = list(edit.value) if isinstance(edit.value, list) else []
    for index, item in enumerate(items):
        if isinstance(item, dict | list) or stack.accepts((*path, index), edit._replace(value=items)):
            continue
        for meant in suggestions(stack.schema, node["items"], item, item, str(path[-1])):
            changed = [*items[:index], meant, *items[index + 1 :]]
            if stack.accepts((*path, index), edit._replace(value=changed)):
                items = changed
                break
    return items


def _placeholder(stack: Written, path: KeyPath, template: Json, origin: Origin) -> Advice | None:
    """Return a text of a site with placeholders of another form, such as `${experiment}`, in the program's own."""
    if path[0] != "site" or len(path) == 1 or not isinstance(template, str):
        return None
    names = placeholders_at(path[1:])

    def own(match: re.Match[str]) -> str:
        word = next(filter(None, match.groups()))
        meant = near(word, names)
        return match[0] if meant is None else f"{{{meant}}}"

    text = _PLACEHOLDER.sub(own, template)
    edit = Write(*stack.location(path, origin), text)
    if text == template or not stack.accepts(path, edit):
        return None
    return Advice(f"write {written(text)}", (edit,))


def _reference_of_kubernetes(path: KeyPath, value: Json, file: str, at: KeyPath) -> Advice | None:
    """Return the way out of `valueFrom: {secretKeyRef: …}` for an environment variable."""
    if path[-2:-1] != ("environment",) or not isinstance(value, dict) or "valueFrom" not in value:
        return None
    name = str(path[-1])
    secret = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    edits = (Remove(file, at), Write(file, (*at[:-2], "secret_environment", name), secret))
    words = f"write `{name}: {secret}` below {dotted(path[:-2])}.secret_environment instead, and set that Pulumi secret"
    return Advice(words, edits)


def _one_of_list(stack: Written, path: KeyPath, node: Node, value: Json, raw: Json, origin: Origin) -> Advice | None:
    """Return the way out of a list in place of one value; or, in a list, of several items in one text."""
    file, at = stack.location(path, origin)
    if isinstance(value, list) and isinstance(raw, list) and stack.schema.resolved(node).get("type") in SCALARS:
        for item, text in zip(value, raw, strict=True):
            for meant in suggestions(stack.schema, node, item, text, str(path[-1])):
                if stack.accepts(path, edit := Write(file, at, meant)):
                    return Advice(f"write one of them, such as {written(meant)}", (edit,))
    if isinstance(path[-1], int) and isinstance(value, str) and len(pieces := value.split()) > 1:
        around = stack.tree.value_at(path[:-1])
        items = around if isinstance(around, list) else []
        edit = Write(file, at[:-1], [*items[: path[-1]], *pieces, *items[path[-1] + 1 :]])
        if stack.accepts((*path[:-1], path[-1]), edit) and stack.accepts((*path[:-1], path[-1] + 1), edit):
            return Advice(f"write an item for each word: {', '.join(map(written, pieces))}", (edit,))
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
    value = stack.tree.value_at(path)
    edit = Write(*stack.location(path, origin), example)
    edits = (edit,) if stack.accepts(path, edit) else ()
    if "enum" in resolved:
        return Advice("write one of them", edits)
    if example in ("text", ""):
        comment = ", in quotes if it begins with #" if value is None else ""
        return Advice(f"write it as text{comment}", edits)
    patched = isinstance(of_part, dict) and not any(isinstance(step, int) for step in path)
    if example == {} or patched or (resolved.get("properties") and not resolved.get("required")):
        edits = (edit._replace(value={}),) if stack.accepts(path, edit._replace(value={})) else ()
        return Advice(_keys_or_none(stack.schema.keys(resolved)), edits)
    if "public key" in str(resolved.get("title", "")):
        return Advice("write the first two words of the .pub file that `ssh-keygen -t ed25519` makes", edits)
    if "path" in str(resolved.get("title", "")) and re.match(r"[~$]", str(value)):
        return Advice(f"write the whole path, such as {written(example)}: `~` and variables are not filled in", edits)
    if resolved.get("type") == "boolean":
        right = [each for each in (True, False) if not stack.breaks_rule(path, edit._replace(value=each))]
        edits = (edit._replace(value=right[0]),) if len(right) == 1 else edits
        return Advice(f"write {' or '.join(map(written, right or (True, False)))}", edits)
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
    return f"write its keys{named} below it, or `{{}}` without any"
