"""Keys that are not known where they are: misspelt, of another kind, or of another place (`elsewhere`)."""

from stacks.errors import Advice, Edit, Problem, Remove, Write, near
from stacks.foreign_keys import FOREIGN_KEYS
from stacks.key_guesses import has_words_of, nested_key, sibling_keys
from stacks.origin import KeyPath, Origin, dotted
from stacks.problems.elsewhere import AT_TOP, elsewhere, is_of_the_other_part
from stacks.problems.written import Written
from stacks.source import written
from stacks.stack_file import PROJECT
from stacks.suggestions import another_unit, suggestions


def unknown_key(stack: Written, path: KeyPath) -> Problem:
    """Return the problem of a key that is not known where it is."""
    origin, kind = stack.tree.nearest_origin(path), stack.kind_origin(path)
    if kind and not origin.by_override:
        return _key_under_another_kind(stack, path, kind, origin)
    named_elsewhere = is_of_the_other_part(stack, path) or (len(path) == AT_TOP and path[-1] in FOREIGN_KEYS)
    sibling = None if named_elsewhere else _sibling(stack, path, origin)
    advice = (
        _wrapped(stack, path, origin) or _kind_as_key(stack, path, origin) or sibling or elsewhere(stack, path, origin)
    )
    sentence = f"{dotted(path)}: found the key `{path[-1]}`, which is not known here: {advice.words}"
    return Problem(origin.place, sentence, advice.edits)


def meant_sibling(stack: Written, path: KeyPath) -> KeyPath | None:
    """Return the path of the known key that an unknown one misspells; None if there is none."""
    advice = _sibling(stack, path, stack.tree.nearest_origin(path))
    moved = [edit for edit in advice.edits if isinstance(edit, Write)] if advice else []
    return (*path[:-1], moved[0].path[-1]) if moved else None


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
    taken = [stack.tree.origins.get((*path[:-1], each)) for each in stack.schema.keys(mapping)]
    known = zip(stack.schema.keys(mapping), taken, strict=True)
    free = [each for each, at in known if at is None or origin.by_override != at.by_override]
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
    if (other := another_unit(key, value, free)) is not None:
        options = [other]
    else:
        names = dict.fromkeys(sibling_keys(key, value, free, mapping, stack.schema))
        options = [(name, value) for name in names]
    for name, moved in options:
        target: KeyPath = (*path[:-1], name)
        node, raw = stack.schema.resolved(mapping["properties"][name]), stack.raw(path, value)
        if "the name of a secret" in node.get("title", "") and not _says_secret(key):
            secret = key.replace("_", "-").lower()
            edits = (Remove(file, at), Write(file, (*at[:-1], name), secret))
            return Advice(f"write it as `{name}: {secret}`, the name of the Pulumi secret that holds it", edits)
        for meant in (moved, *suggestions(stack.schema, node, moved, raw, name)):
            edits = (Remove(file, at), Write(file, (*at[:-1], name), meant))
            if isinstance(moved, bool) and isinstance(meant, str):
                continue
            if stack.accepts(target, *edits):
                same = meant == value
                words = f"did you mean `{name}`?" if same else f"write it as `{name}: {written(meant)}`"
                return Advice(words, edits)
    return None


def _says_secret(key: str) -> bool:
    """Tell whether a key, perhaps misspelt, says that its value is the name of a secret and not the secret."""
    return "secret" in key.lower() or near(key.rpartition("_")[2], ["secret"]) is not None
