"""Keys that are not known where they are: misspelt, of another kind, or of another place (`elsewhere`)."""

import re

from stacks.errors import Advice, Edit, Problem, Remove, Write, near
from stacks.foreign_keys import FOREIGN_KEYS
from stacks.foreign_keys import places as foreign_places
from stacks.json_schema import Node
from stacks.key_guesses import has_words_of, nested_key, sibling_keys
from stacks.origin import Json, KeyPath, Origin, dotted
from stacks.problems.elsewhere import AT_TOP, elsewhere, is_of_the_other_part
from stacks.problems.written import OVERRIDE_DEPTH, Written
from stacks.source import written
from stacks.stack_file import PROJECT
from stacks.suggestions import another_unit, suggestions


def unknown_key(stack: Written, path: KeyPath) -> Problem:
    """Return the problem of a key that is not known where it is."""
    origin, kind = stack.tree.nearest_origin(path), stack.kind_origin(path)
    if kind and not origin.by_override:
        return _key_under_another_kind(stack, path, kind, origin)
    advice = (
        _wrapped(stack, path, origin)
        or _part_in_part(stack, path, origin)
        or _kind_by_type(stack, path, origin)
        or _kind_as_key(stack, path, origin)
        or (None if _is_named_elsewhere(stack, path) else _sibling(stack, path, origin))
        or elsewhere(stack, path, origin)
    )
    sentence = f"{dotted(path)}: found the key `{path[-1]}`, which is not known here: {advice.words}"
    return Problem(origin.place, sentence, advice.edits)


def meant_places(stack: Written, path: KeyPath) -> list[KeyPath]:
    """Return the paths of the known keys that an unknown one means, whose advice writes them."""
    parts = {file: part for part, file in stack.part_files.items()}
    moved = [edit for edit in unknown_key(stack, path).edits if isinstance(edit, Write)]
    return [(parts[edit.file], *edit.path) if edit.file in parts else edit.path[OVERRIDE_DEPTH:] for edit in moved]


def _is_named_elsewhere(stack: Written, path: KeyPath) -> bool:
    """Tell whether a key at the top is one of the other part, or of another chart with another content than ours."""
    if len(path) != AT_TOP or path[-1] not in FOREIGN_KEYS:
        return is_of_the_other_part(stack, path)
    value, mapping = stack.tree.value_at(path), stack.schema.at(path[:-1], stack.tree.value)
    free = [name for name in stack.schema.keys(mapping) if (*path[:-1], name) not in stack.tree.origins]
    keys = (set(stack.schema.keys(stack.schema.resolved(mapping["properties"][name]))) for name in free)
    return not isinstance(value, dict) or not value or not any(set(value) <= each for each in keys)


def _part_in_part(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the way out of `experiment:` below `site:` of the override."""
    value = stack.tree.value_at(path)
    if len(path) != AT_TOP or path[1] not in stack.part_files or path[0] == path[1] or not origin.by_override:
        return None
    file, at = stack.location(path, origin)
    edits = (Remove(file, at), Write(file, (*at[:-2], path[1]), value))
    return Advice(f"move it beside `{path[0]}:`, to the column of that", edits)


def _key_under_another_kind(stack: Written, path: KeyPath, kind: Origin, origin: Origin) -> Problem:
    """The override changes `kind`, and the merge keeps a key that belongs to the kind before."""
    name = stack.tree.value_at((*path[:-1], "kind"))
    sentence = (
        f"{dotted(path)}: found the key `{path[-1]}`, which kind `{name}` of the override does not have: "
        f"add `{path[-1]}: null` to the override"
    )
    edit = Write(stack.stack_file, ("config", f"{PROJECT}:override", *path), None)
    return Problem(f"{kind.place} and {origin.place}", sentence, (edit,))


def _wrapped(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the way out of `site:` above all keys of a site."""
    value = stack.tree.value_at(path)
    if len(path) != AT_TOP or path[0] != path[1] or not isinstance(value, dict):
        return None
    file, at = stack.location(path, origin)
    writes = (Write(file, (*at[:-1], key), each) for key, each in value.items())
    edits: tuple[Edit, ...] = (Remove(file, at), *writes)
    return Advice("take this line out, and move those below it to its column", edits)


def _kind_by_type(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the way out of `type:` in place of another `kind:` than the file has."""
    if path[-1] != "type" or len(path) <= AT_TOP:
        return None
    kinds = stack.schema.kinds(_alternatives(stack, path))
    word, (file, at) = stack.tree.value_at(path), stack.location(path, origin)
    for kind in suggestions(stack.schema, {"type": "string", "enum": kinds}, word, word, "kind"):
        edits = (Remove(file, at), Write(file, (*at[:-1], "kind"), kind))
        return Advice(f"write `kind: {kind}` instead", edits)
    return None


def _alternatives(stack: Written, path: KeyPath) -> Node:
    """Return the schema of the mapping of a key, whatever its kind."""
    above = stack.schema.at(path[:-2], stack.tree.value)
    node = above.get("items") if isinstance(path[-2], int) else above.get("properties", {}).get(path[-2])
    return stack.schema.resolved(node or {})


def is_of_type(stack: Written, path: KeyPath) -> bool:
    """Tell whether a key goes with the kind that a `type:` beside it means, which is told."""
    other = (*path[:-1], "type")
    if path[-1] == "type" or other not in stack.tree.origins:
        return False
    advice = _kind_by_type(stack, other, stack.tree.nearest_origin(other))
    kinds = [str(edit.value) for edit in advice.edits if isinstance(edit, Write)] if advice else []
    node = _alternatives(stack, path)
    return any(path[-1] in stack.schema.keys(stack.schema.alternative(node, kind)) for kind in kinds)


def _kind_as_key(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the key of which an unknown one is a `kind`: `nfs: {…}` is a `volume`."""
    kind, value = str(path[-1]).replace("_", "-").lower(), stack.tree.value_at(path)
    mapping, (file, at) = stack.schema.at(path[:-1], stack.tree.value), stack.location(path, origin)
    for name in stack.schema.keys(mapping):
        if not isinstance(value, dict) or kind not in stack.schema.kinds(mapping["properties"][name]):
            continue
        moved = {"kind": kind, **value}
        edits = (Remove(file, at), Write(file, (*at[:-1], name), moved))
        there = stack.tree.origins.get((*path[:-1], name))
        free = there is None or origin.by_override != there.by_override
        if free and stack.accepts(
            (*path[:-1], name), *edits, below=False
        ):  # it may lack keys that the next check names
            return Advice(f"write it as `{name}: {written(moved)}`", edits)
    return None


def _sibling(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return a key of the same mapping that is meant, with the value converted where it must be."""
    key, value = str(path[-1]), stack.tree.value_at(path)
    mapping = stack.schema.at(path[:-1], stack.tree.value)
    free = _free_keys(stack, path, origin)
    file, at = stack.location(path, origin)
    there = [each for each in stack.schema.keys(mapping) if each not in free]
    if any(has_words_of(each, key) for each in there):
        return None
    if steps := nested_key(key, mapping, stack.schema):
        edits: tuple[Edit, ...] = (Remove(file, at), Write(file, (*at[:-1], *steps), value))
        if stack.accepts((*path[:-1], *steps), *edits):
            return Advice(
                f"write `{steps[-1]}: {written(value)}` below `{':` and that below `'.join(steps[-2::-1])}:`", edits
            )
    if (joined := _joined(stack, path, origin)) is not None:
        return joined
    options = _options(stack, path, free)
    for name, moved in options:
        target: KeyPath = (*path[:-1], name)
        node, raw = stack.schema.resolved(mapping["properties"][name]), stack.raw(path, value)
        if "the name of a secret" in node.get("title", "") and not _says_secret(key):
            secret = key.replace("_", "-").lower()
            edits = (Remove(file, at), Write(file, (*at[:-1], name), secret))
            return Advice(f"write it as `{name}: {secret}`, the name of the Pulumi secret that holds it", edits)
        for meant in (moved, *suggestions(stack.schema, node, moved, raw, name)):
            edits = (Remove(file, at), Write(file, (*at[:-1], name), meant))
            if (
                isinstance(moved, bool | int | float)
                and isinstance(meant, str)
                and (isinstance(moved, bool) or meant != raw)
            ):
                continue
            if stack.accepts(target, *edits):
                same = meant == value
                words = f"did you mean `{name}`?" if same else f"write it as `{name}: {written(meant)}`"
                return Advice(words, edits)
    return None


def _free_keys(stack: Written, path: KeyPath, origin: Origin) -> list[str]:
    """Return the keys of the mapping of a key that the same file, or the same override, does not have yet."""
    keys = stack.schema.keys(stack.schema.at(path[:-1], stack.tree.value))

    def is_taken(name: str) -> bool:
        at = (*path[:-1], name)
        there = stack.tree.origins.get(at)
        return at in stack.parts.origins if not origin.by_override else there is not None and there.by_override

    return [name for name in keys if not is_taken(name)]


def _options(stack: Written, path: KeyPath, free: list[str]) -> list[tuple[str, Json]]:
    """Return the free keys that may be meant by a key, best first, each with the value."""
    key, value = str(path[-1]), stack.tree.value_at(path)
    mapping = stack.schema.at(path[:-1], stack.tree.value)
    if (other := another_unit(key, value, free)) is not None:
        return [other]
    here = "".join("[]" if isinstance(step, int) else f".{step}" for step in path[:-1]).removeprefix(".")
    foreign = foreign_places(".".join(str(step) for step in path[1:] if isinstance(step, str)), value)
    said = [place.rpartition(".") for each in foreign.values() for place in each] if len(foreign) == 1 else []
    own = [name for above, _, name in said if above == here and name in free]
    names = dict.fromkeys([*(own if len(own) == 1 else []), *sibling_keys(key, value, free, mapping, stack.schema)])
    return [(name, value) for name in names]


def _joined(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the one value here that other charts write in two keys: an image and its tag, a URL and its port."""
    key, value = str(path[-1]), stack.raw(path, stack.tree.value_at(path))
    for own, other, sign in (("image", "tag", ":"), ("image", "digest", "@"), ("url", "port", ":")):
        at = (*path[:-1], own)
        first = stack.tree.value_at(at)
        if key != other or not isinstance(first, str) or not isinstance(value, str):
            continue
        first = re.sub(r"(:[^/:@]+)?(@.*)?$", "", first)
        file, place = stack.location(at, stack.tree.nearest_origin(at))
        edits = (Remove(*stack.location(path, origin)), Write(file, place, f"{first.rstrip('/')}{sign}{value}"))
        if stack.accepts(at, *edits):
            return Advice(f"write both as `{own}: {written(edits[1].value)}`", edits)
    return None


def _says_secret(key: str) -> bool:
    """Tell whether a key, perhaps misspelt, says that its value is the name of a secret and not the secret."""
    return "secret" in key.lower() or near(key.rpartition("_")[2], ["secret"]) is not None
