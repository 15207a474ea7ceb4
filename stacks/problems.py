"""Sentences from the findings of pydantic: file and line, thing, value found, rule, way out.

A way out that changes the files is tried before it is advised: the files with the edits in them are validated, and what
the models refuse is not said.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.errors import Advice, Edit, Problem, Remove, Write, found, near
from stacks.foreign_keys import places as foreign_places
from stacks.json_schema import Node, Property, one_of, schema_of
from stacks.key_guesses import has_words_of, near_place, nested_key, sibling_keys
from stacks.merge import merge_patch
from stacks.origin import Json, KeyPath, Origin, Tree, dotted, nodes
from stacks.placeholders import placeholders_at
from stacks.schema import Experiment, Site, StackConfig
from stacks.schema.base import BrokenRule, BrokenRulesError
from stacks.source import written
from stacks.stack_file import PROJECT
from stacks.suggestions import NOTHING, another_unit, suggestions

_FILES: dict[str, type[BaseModel]] = {"site": Site, "experiment": Experiment}
_NAMES: dict[KeyPath, str] = {
    ("site_name",): f"{PROJECT}:site",
    ("experiment_name",): f"{PROJECT}:experiment",
    ("instance",): f"{PROJECT}:instance",
}
"""Keys of Pulumi.<stack>.yaml by their path in StackConfig."""
_AT_TOP = 2
"""Length of the path of a key at the top of a part."""
_KEYS_MAX = 6
"""Keys that a sentence names."""
_MEANINGS_MAX = 3
"""Places of which a sentence says the meaning."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A stack as its files have it."""

    tree: Tree
    """All files together, placeholders filled."""
    templates: Mapping[KeyPath, str]
    """The texts that had placeholders, as they are written."""
    parts: Tree
    """Site and experiment before the override."""
    stack_file: str
    """File of the stack, relative to the root."""
    part_files: Mapping[str, str]
    """Files of `site` and `experiment`, relative to the root."""
    assembled: Callable[[Iterable[Edit]], Json]
    """The files together, placeholders filled, after edits."""


def of_validation(error: ValidationError, stack: Written) -> Iterator[Problem]:
    """Yield a problem for each thing that is wrong with a stack, from the findings of pydantic."""
    translator = _Translator(stack)
    errors = error.errors(include_url=False)
    for details in errors:
        if not _follows(details, errors):
            yield from translator.problems(details, errors)


def of_hidden_values(error: ValidationError, stack: Written, merged: Tree) -> Iterator[Problem]:
    """Yield a problem for each wrong value of the files that the override replaces, which other stacks may read.

    Args:
        error: the findings on the parts without the override.
        stack: the parts without the override.
        merged: the parts with it.
    """
    translator = _Translator(stack)
    errors = error.errors(include_url=False)
    for details in errors:
        path, _ = _key_path(details["loc"], stack.tree.value)
        broken = isinstance(details.get("ctx", {}).get("error"), BrokenRulesError)
        wrong = not broken and details["type"] not in {"missing", "union_tag_not_found"}
        if wrong and merged.nearest_origin(path).by_override:
            yield from translator.problems(details, errors)


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


def _key_path(location: tuple[str | int, ...], whole: Json) -> tuple[KeyPath, bool]:
    """Return the path in a location of pydantic, and whether the error is about the last key and not its value.

    Pydantic adds steps that are no keys: the kind that chose among alternatives, and `[key]`.
    """
    path: list[str | int] = []
    tree, value = Tree(whole), whole
    chosen = False
    for step in location:
        if step == "[key]":
            return tuple(path), True
        if not chosen and isinstance(value, dict) and value.get("kind") == step:
            chosen = True
            continue
        path.append(step)
        value, chosen = tree.value_at(tuple(path)), False
    return tuple(path), False


class _Translator:
    def __init__(self, stack: Written) -> None:
        self._stack = stack
        self._tree = stack.tree
        self._schema = schema_of(StackConfig)
        self._renamed: set[KeyPath] = set()
        """Keys that are missing only because they have another name."""
        self._lists: set[KeyPath] = set()
        """Lists of the override that are told as a whole."""

    def problems(self, details: ErrorDetails, errors: list[ErrorDetails]) -> Iterator[Problem]:
        path, of_key = _key_path(details["loc"], self._tree.value)
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, BrokenRulesError):
            yield from self._broken_rules(cause, path)
        elif of_key:
            yield self._wrong_key(path, cause)
        elif details["type"] in {"missing", "union_tag_not_found"} and (partial := self._partial_list(path)):
            yield from partial
        elif details["type"] == "extra_forbidden":
            yield self._unknown_key(path)
        elif details["type"] == "missing":
            unknown = [
                _key_path(other["loc"], self._tree.value)[0] for other in errors if other["type"] == "extra_forbidden"
            ]
            wrapped = (path[0], path[0]) in unknown
            meant = [self._meant(other) for other in unknown]
            if not wrapped and not any(each and path[: len(each)] == each for each in meant):
                yield self._missing(path)
        elif details["type"].startswith("union_tag"):
            yield self._kind(path)
        else:
            yield self._wrong_value(path, details["input"], cause)

    # Rules over several fields

    def _broken_rules(self, cause: BrokenRulesError, path: KeyPath) -> Iterator[Problem]:
        for rule in cause.rules:
            thing = f"{dotted(path)}: " if path else ""
            yield Problem(" and ".join(self._places(rule, path)), f"{thing}{rule.message}", compares=True)

    def _places(self, rule: BrokenRule, path: KeyPath) -> list[str]:
        """Return file and line of each field of a rule. One that is not written adds a line only of another file."""
        origins: list[Origin] = []
        for field in rule.fields:
            steps = path + (field if isinstance(field, tuple) else _steps(field))
            origin = self._tree.nearest_origin(steps)
            if steps in self._tree.origins or origin.file not in {other.file for other in origins}:
                origins.append(origin)
        return list(dict.fromkeys(origin.place for origin in origins))

    # Values

    def _wrong_value(self, path: KeyPath, value: Json, cause: Exception | None) -> Problem:
        origin = self._tree.nearest_origin(path)
        node = self._schema.at(path, self._tree.value)
        rule, advice = f"must be {self._schema.rule(node)}", self._value_advice(path, node, value, origin)
        if cause is not None:  # a validator of ours, which says its rule and a way out
            rule, advice = str(cause), advice or self._without(path, origin)
            general, _, example = rule.rpartition(": ")
            rule = general if advice.words and example.startswith("write one such as") else rule
        advice = advice or self._example(path, node, origin)
        way_out = advice.words if not advice.words or advice.words.startswith(",") else f": {advice.words}"
        sentence = f"{self._thing(path)}: found {self._found(path, value)}: {rule}{way_out}"
        return Problem(origin.place, sentence, advice.edits)

    def _value_advice(self, path: KeyPath, node: Node, value: Json, origin: Origin) -> Advice | None:
        """Return the value that was meant, or the removal of a key that need not be there."""
        template = self._stack.templates.get(path, value)
        if path[0] == "site" and isinstance(value, str) and "{" in value:
            *filled, last = (f"{{{each}}}" for each in placeholders_at(path[1:]))
            return Advice(f"write the text itself, for only {', '.join(filled)} and {last} are filled in")
        file, at = self._location(path, origin)
        raw = template if isinstance(template, str) else self._raw(path, value)
        guesses = [
            *suggestions(self._schema, node, template, raw, str(path[-1])),
            *self._patched_by_mapping(path, value, origin),
        ]
        options = [Write(file, at, meant) for meant in guesses]
        accepted = next((edit for edit in options if self._accepts(path, edit)), None)
        if accepted is None:  # a mapping may lack keys that the next check names
            mappings = (edit for edit in options if isinstance(edit.value, dict) and edit.value)
            accepted = next((edit for edit in mappings if self._accepts(path, edit, below=False)), None)
        if accepted is not None:
            return Advice(_write(value, accepted.value, node, self._schema.keys(node)), (accepted,))
        optional = path[-1] not in self._schema.at(path[:-1], self._tree.value).get("required", [])
        edit = Remove(file, at)
        if value in NOTHING and optional and not isinstance(path[-1], int) and self._accepts(path, edit):
            default = node.get("default")
            return Advice("remove it" + ("" if default is None else f", and it is {written(default)}"), (edit,))
        if origin.by_override and value is None and self._accepts(path, edit):
            return Advice("take it out of the override", (edit,))
        return None

    def _without(self, path: KeyPath, origin: Origin) -> Advice:
        """Return the removal of a key that need not be there, beside the way out that its rule says."""
        edit = Remove(*self._location(path, origin))
        optional = path[-1] not in self._schema.at(path[:-1], self._tree.value).get("required", [])
        image = "image" in self._schema.rule(self._schema.at(path, self._tree.value))
        if image and optional and self._accepts(path, edit):
            return Advice(", or remove it", (edit,))
        return Advice("")

    def _example(self, path: KeyPath, node: Node, origin: Origin) -> Advice:
        resolved = self._schema.resolved(node)
        of_part = self._stack.parts.value_at(path) if origin.by_override else None
        example = self._schema.example(node) if of_part is None else of_part
        edit = Write(*self._location(path, origin), example)
        edits = (edit,) if self._accepts(path, edit) else ()
        if "enum" in resolved:
            return Advice("write one of them", edits)
        if example in ("text", ""):
            comment = ", in quotes if it begins with #" if self._tree.value_at(path) is None else ""
            return Advice(f"write it as text{comment}", edits)
        if example == {}:
            return Advice(_keys_or_none(self._schema.keys(resolved)), edits)
        what = {"integer": "a number", "number": "a number", "array": "a list"}.get(resolved.get("type", ""), "one")
        return Advice(f"write {what} such as {written(example)}", edits)

    def _wrong_key(self, path: KeyPath, cause: Exception | None) -> Problem:
        node = self._schema.key_rule(self._schema.at(path[:-1], self._tree.value))
        key, origin = str(path[-1]), self._tree.nearest_origin(path)
        file, at = self._location(path, origin)
        if cause is not None:  # a validator of ours, which says its rule and its way out
            sentence = f"{dotted(path[:-1])}: found the key {found(key)}: {cause}"
            return Problem(origin.place, sentence, (Remove(file, at),))
        advice = Advice(f"write one such as {self._schema.example(node)}")
        for meant in suggestions(self._schema, node, key, key, key):
            edits = (Remove(file, at), Write(file, (*at[:-1], str(meant)), self._tree.value_at(path)))
            if meant != key and self._accepts((*path[:-1], str(meant)), *edits):
                advice = Advice(f"write {written(meant)}", edits)
                break
        rule = self._schema.rule(node)
        sentence = f"{dotted(path[:-1])}: found the key {found(key)}: must be {rule}: {advice.words}"
        return Problem(origin.place, sentence, advice.edits)

    # Keys that are missing

    def _missing(self, path: KeyPath) -> Problem:
        node = self._schema.at(path, self._tree.value)
        origin, rule = self._kind_origin(path) or self._tree.nearest_origin(path), f"must be {self._schema.rule(node)}"
        file, at = self._location(path, origin)
        if path in self._tree.origins:
            edits: tuple[Edit, ...] = (Remove(file, at),)
            if self._accepts(path, *edits):
                sentence = f"{dotted(path)} is removed by the override: {rule}: take `{path[-1]}: null` out of it"
                return Problem(origin.place, sentence, edits)
        edits = (Write(file, at, self._schema.example(node)),)
        where = " to the override" if origin.by_override else ""
        way_out = f"add `{path[-1]}`{where}{_such_as(path, self._schema.example(node))}{_meaning(node)}"
        if not self._accepts(path, *edits):
            edits = ()
        return Problem(origin.place, f"{self._thing(path)} is missing: {rule}: {way_out}", edits)

    def _kind_origin(self, path: KeyPath) -> Origin | None:
        """Return the line of the override that chose the kind of a mapping, if one did."""
        kind = self._tree.origins.get((*path[:-1], "kind"))
        return kind if kind and kind.by_override else None

    def _partial_list(self, path: KeyPath) -> Iterable[Problem] | None:
        """Return the problem of an override's list whose items rely on those of the file; empty: it was told before."""
        depth = next((depth for depth, step in enumerate(path) if isinstance(step, int)), None)
        if depth is None or not self._tree.nearest_origin(path).by_override:
            return None
        at, origin = path[:depth], self._tree.nearest_origin(path[: depth + 1])
        if at in self._lists:
            return ()
        given, base = self._tree.value_at(at), self._stack.parts.value_at(at)
        if (
            not isinstance(given, list)
            or not isinstance(base, list)
            or not all(isinstance(item, dict) for item in given)
        ):
            return None
        edit = Write(*self._location(at, origin), _patched(base, given))
        if not self._accepts(at, edit):
            return None
        self._lists.add(at)
        item, key = path[: depth + 1], path[-1] if len(path) > depth + 1 else "kind"
        sentence = (
            f"{dotted(item)}: found {found(self._tree.value_at(item))}: an override replaces a list whole, and "
            f"`{key}` is missing: write {at[-1]}: {written(edit.value)}"
        )
        return (Problem(origin.place, sentence, (edit,)),)

    def _patched_by_mapping(self, path: KeyPath, value: Json, origin: Origin) -> Iterator[Json]:
        """Yield the list of the file under a mapping that an override has in its place."""
        base = self._stack.parts.value_at(path)
        if origin.by_override and isinstance(base, list) and isinstance(value, dict) and value:
            yield _patched(base, [value])
            if all(isinstance(each, dict) for each in value.values()):
                yield _patched(base, [{"name": name, **each} for name, each in value.items() if isinstance(each, dict)])

    # Kinds

    def _kind(self, path: KeyPath) -> Problem:
        node, value = self._schema.at(path, self._tree.value), self._tree.value_at(path)
        kinds = self._schema.kinds(node)
        at: KeyPath = (*path, "kind")
        origin = self._tree.nearest_origin(at)
        thing, rule = f"{self._thing(path)}.kind", f"must be {one_of(kinds)}"
        file, place = self._location(at, origin)
        if isinstance(value, dict) and "kind" in value:
            rule = f": found {found(value['kind'])}: {rule}"
            word = self._raw(at, value["kind"])
            node = {"type": "string", "enum": kinds}
            for meant in suggestions(self._schema, node, value["kind"], word, "kind"):
                if self._accepts(at, edit := Write(file, place, meant)):
                    return Problem(origin.place, f"{thing}{rule}: did you mean `{meant}`?", (edit,))
            return Problem(origin.place, f"{thing}{rule}: write one of them", self._first(at, origin, kinds))
        keys = value if isinstance(value, dict) else {}
        for key, word in keys.items():
            for meant in suggestions(self._schema, {"type": "string", "enum": kinds}, word, word, "kind"):
                edits = (Remove(*self._location((*path, key), origin)), Write(file, place, meant))
                if key not in self._keys_of_kinds(node, kinds) and self._accepts(at, *edits):
                    place_of_key = self._tree.nearest_origin((*path, key)).place
                    way_out = f"write `kind: {meant}` instead of `{key}`"
                    return Problem(place_of_key, f"{thing} is missing: {rule}: {way_out}", edits)
        removed = at in self._tree.origins
        if removed and self._accepts(at, edit_out := Remove(file, place)):
            return Problem(origin.place, f"{thing} is removed by the override: {rule}: take it out of it", (edit_out,))
        known = {kind: len(set(keys) & set(self._schema.keys(self._schema.alternative(node, kind)))) for kind in kinds}
        fitting = [kind for kind in kinds if known[kind] and known[kind] == max(known.values())]
        edits_in = self._first(at, origin, fitting or kinds)
        meant = edits_in[0].value if edits_in and len(fitting) == 1 else None
        return Problem(origin.place, f"{thing} is missing: {rule}: add `kind{f': {meant}' if meant else ''}`", edits_in)

    def _keys_of_kinds(self, node: Node, kinds: Iterable[str]) -> set[str]:
        return {key for kind in kinds for key in self._schema.keys(self._schema.alternative(node, kind))}

    def _first(self, at: KeyPath, origin: Origin, kinds: Iterable[str]) -> tuple[Write, ...]:
        edits = (Write(*self._location(at, origin), kind) for kind in kinds)
        return next(((edit,) for edit in edits if self._accepts(at, edit)), ())

    # Keys that are not known

    def _unknown_key(self, path: KeyPath) -> Problem:
        origin, kind = self._tree.nearest_origin(path), self._kind_origin(path)
        if kind and not origin.by_override:
            return self._key_under_another_kind(path, kind, origin)
        sibling = None if self._is_of_the_other_part(path) else self._sibling(path, origin)
        advice = self._wrapped(path, origin) or sibling or self._elsewhere(path, origin)
        sentence = f"{dotted(path)}: found the key `{path[-1]}`, which is not known here: {advice.words}"
        return Problem(origin.place, sentence, advice.edits)

    def _is_of_the_other_part(self, path: KeyPath) -> bool:
        """Tell whether a key at the top of one part is one of the other, with such a value."""
        value, other = self._tree.value_at(path), "experiment" if path[0] == "site" else "site"
        known = next((place for place in _properties(other) if place.path == path[-1]), None)
        if len(path) != _AT_TOP or known is None:
            return False
        keys = {place.path.partition(".")[2] for place in _properties(other) if place.path.startswith(f"{known.path}.")}
        return not isinstance(value, dict) or not keys or set(value) <= keys

    def _key_under_another_kind(self, path: KeyPath, kind: Origin, origin: Origin) -> Problem:
        """The override changes `kind`, and the merge keeps a key that belongs to the kind before."""
        name = self._tree.value_at((*path[:-1], "kind"))
        sentence = (
            f"{dotted(path)}: found the key `{path[-1]}`, which kind `{name}` of the override does not have: "
            f"add `{path[-1]}: null` to the override"
        )
        edit = Write(self._stack.stack_file, ("config", f"{PROJECT}:override", *path), None)
        return Problem(f"{kind.place} and {origin.place}", sentence, (edit,))

    def _wrapped(self, path: KeyPath, origin: Origin) -> Advice | None:
        """Return the way out of `site:` above all keys of a site."""
        value = self._tree.value_at(path)
        if len(path) != _AT_TOP or path[0] != path[1] or not isinstance(value, dict):
            return None
        file, at = self._location(path, origin)
        writes = (Write(file, (*at[:-1], key), each) for key, each in value.items())
        edits: tuple[Edit, ...] = (Remove(file, at), *writes)
        return Advice("take this line out, and move those below it to its column", edits)

    def _meant(self, path: KeyPath) -> KeyPath | None:
        """Return the sibling that an unknown key stands for."""
        advice = self._sibling(path, self._tree.nearest_origin(path))
        moved = [edit for edit in advice.edits if isinstance(edit, Write)] if advice else []
        return (*path[:-1], moved[0].path[-1]) if moved else None

    def _sibling(self, path: KeyPath, origin: Origin) -> Advice | None:
        """Return a key of the same mapping that is meant, with the value converted where it must be."""
        key, value = str(path[-1]), self._tree.value_at(path)
        mapping = self._schema.at(path[:-1], self._tree.value)
        taken = [self._tree.origins.get((*path[:-1], each)) for each in self._schema.keys(mapping)]
        known = zip(self._schema.keys(mapping), taken, strict=True)
        free = [each for each, at in known if at is None or origin.by_override != at.by_override]
        file, at = self._location(path, origin)
        there = [each for each in self._schema.keys(mapping) if each not in free]
        if any(has_words_of(each, key) for each in there):
            return None
        if steps := nested_key(key, mapping, self._schema):
            edits: tuple[Edit, ...] = (Remove(file, at), Write(file, (*at[:-1], *steps), value))
            if self._accepts((*path[:-1], *steps), *edits):
                return Advice(
                    f"write `{steps[-1]}: {written(value)}` below `{':` and that below `'.join(steps[-2::-1])}:`", edits
                )
        if (other := another_unit(key, value, free)) is not None:
            options = [other]
        else:
            names = dict.fromkeys(sibling_keys(key, value, free, mapping, self._schema))
            options = [(name, value) for name in names]
        for name, moved in options:
            target: KeyPath = (*path[:-1], name)
            node, raw = self._schema.resolved(mapping["properties"][name]), self._raw(path, value)
            if "the name of a secret" in node.get("title", "") and "secret" not in key:
                secret = key.replace("_", "-").lower()
                edits = (Remove(file, at), Write(file, (*at[:-1], name), secret))
                return Advice(f"write it as `{name}: {secret}`, the name of the Pulumi secret that holds it", edits)
            for meant in (moved, *suggestions(self._schema, node, moved, raw, name)):
                edits = (Remove(file, at), Write(file, (*at[:-1], name), meant))
                if isinstance(moved, bool) and isinstance(meant, str):
                    continue
                if self._accepts(target, *edits):
                    same = meant == value
                    words = f"did you mean `{name}`?" if same else f"write it as `{name}: {written(meant)}`"
                    return Advice(words, edits)
        return None

    def _elsewhere(self, path: KeyPath, origin: Origin) -> Advice:
        """Return the place of a key that is known elsewhere, else its removal."""
        key, owner = str(path[-1]), str(path[0])
        removal = (Remove(*self._location(path, origin)),)
        here = "".join("[]" if isinstance(step, int) else f".{step}" for step in path[1:]).removeprefix(".")
        other = "experiment" if owner == "site" else "site"
        places = {file: [place for place in _properties(file) if _name(place) == key] for file in (owner, other)}
        if len(path) == _AT_TOP and any(place.path == key for place in places[other]):
            places = {owner: [], other: [place for place in places[other] if place.path == key]}
        kinds = [f"`{place.kind}`" for place in places[owner] if place.path == here and place.kind]
        if kinds:
            return Advice(f"it goes with kind {' or '.join(kinds)} only; remove it", removal)
        if not self._is_of_the_other_part(path) and (foreign := self._foreign(path, origin)) is not None:
            return foreign
        if places[owner]:
            edits = (*removal, *self._moved(path, _dotted(owner, places[owner])))
            return Advice(f"write it as {_paths(places[owner])} if that is meant, else remove it", edits)
        if places[other]:
            file = self._stack.part_files.get(other, f"stacks/{other}s")
            in_override = origin.by_override and not any("[]" in place.path for place in places[other])
            where = f"below `{other}` of the override" if in_override else f"in the {other} ({file})"
            return Advice(
                f"write it {where} as {_paths(places[other])} if that is meant, else remove it",
                (*removal, *self._moved(path, _dotted(other, places[other]))),
            )
        return self._near(path, origin, removal)

    def _near(self, path: KeyPath, origin: Origin, removal: tuple[Edit, ...]) -> Advice:
        """Return the key that is nearly this one, here or elsewhere, else the keys that are known here."""
        key, owner = str(path[-1]), str(path[0])
        mapping = self._schema.at(path[:-1], self._tree.value)
        siblings = self._schema.keys(mapping)
        if (meant := near(key, siblings)) is not None:
            there = self._tree.origins.get((*path[:-1], meant))
            if there is not None and there.by_override == origin.by_override:
                return Advice(f"did you mean `{meant}`? It is there already: remove this one", removal)
            rule = self._schema.rule(mapping["properties"][meant])
            return Advice(f"did you mean `{meant}`, which must be {rule}? Else remove it", removal)
        for part in (owner, *(each for each in _FILES if each != owner)):
            place = near_place(key, (each.path for each in _properties(part)))
            if place is not None:
                edits = (*removal, *self._moved(path, (f"{part}.{place}",)))
                return Advice(f"write it as `{part}.{place}` if that is meant, else remove it", edits)
        return Advice(f"the keys are {', '.join(siblings)}: remove it", removal)

    def _foreign(self, path: KeyPath, origin: Origin) -> Advice | None:
        """Return the places of a key of SuperSONIC or of Kubernetes, or of the keys of such a block."""
        value = self._tree.value_at(path)
        key = ".".join(str(step) for step in path[1:] if isinstance(step, str))
        known = foreign_places(key, value)
        if not known:
            return None
        said = [
            f"`{each}` is {', '.join(f'`{place}`' for place in here)}" if here else f"`{each}` is nothing"
            for each, here in known.items()
        ]
        removal = Remove(*self._location(path, origin))
        if not any(known.values()):
            return Advice("nothing here says the same: remove it", (removal,))
        moved = self._moved(path, next(iter(known.values()))) if len(known) == 1 else ()
        return Advice(
            f"in this program's words {'; '.join(said)}: write it there, and remove it here", (removal, *moved)
        )

    def _moved(self, path: KeyPath, here: tuple[str, ...]) -> Iterator[Edit]:
        """Yield the edit that writes a value in its one place, if the value fits there and none is there."""
        target: KeyPath = tuple(here[0].split(".")) if len(here) == 1 and "[]" not in here[0] else ()
        there, moves = self._tree.origins.get(target), self._tree.nearest_origin(path).by_override
        if not target or str(target[0]) not in self._stack.part_files or (there and (there.by_override or not moves)):
            return
        value = self._tree.value_at(path)
        node = self._schema.at(target, self._tree.value)
        file, at = self._location(target, self._tree.nearest_origin(path))
        for meant in (value, *suggestions(self._schema, node, value, self._raw(path, value), str(target[-1]))):
            if self._accepts(target, edit := Write(file, at, meant)):
                yield edit
                return

    # Common

    def _thing(self, path: KeyPath) -> str:
        return _NAMES.get(path, dotted(path))

    def _location(self, path: KeyPath, origin: Origin) -> tuple[str, KeyPath]:
        """Return the file that an edit of a path belongs to, and the path in that file."""
        if path in _NAMES:
            return self._stack.stack_file, ("config", _NAMES[path])
        if origin.by_override or path[0] not in self._stack.part_files:
            return self._stack.stack_file, ("config", f"{PROJECT}:override", *path)
        return self._stack.part_files[str(path[0])], path[1:]

    def _raw(self, path: KeyPath, value: Json) -> Json:
        """Return a value whose scalars are the texts that were written."""
        if isinstance(value, dict):
            return {key: self._raw((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._raw((*path, index), item) for index, item in enumerate(value)]
        origin = self._tree.origins.get(path)
        return origin.text if origin and origin.text is not None else json.dumps(value)

    def _found(self, path: KeyPath, value: Any) -> str:
        template = self._stack.templates.get(path)
        return found(value) if template is None else f"{found(value)} (written {found(template)})"

    def _accepts(self, path: KeyPath, *edits: Edit, below: bool = True) -> bool:
        """Tell whether a path, and all below it, has no error after edits. Rules over several fields are not asked."""
        whole = self._stack.assembled(edits)
        try:
            StackConfig.model_validate_json(json.dumps(whole))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                at = _key_path(details["loc"], whole)[0]
                if isinstance(details.get("ctx", {}).get("error"), BrokenRulesError):
                    continue
                if details["type"].startswith("union_tag"):
                    at = (*at, "kind")
                if at[: len(path)] == path and (below or len(at) == len(path)):
                    return False
        return True


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


def _patched(base: list[Json], given: list[Json]) -> list[Json]:
    """Return the items of a list, each under the patch that has its name, or its place where names are not given."""
    names = [item.get("name") if isinstance(item, dict) else None for item in base]
    result = list(base)
    for index, patch in enumerate(given):
        name = patch.get("name") if isinstance(patch, dict) else None
        at = names.index(name) if name in names and name is not None else index
        if at < len(result) and (name is None or name == names[at]):
            result[at] = merge_patch(result[at], patch)
        else:
            result.append(patch)
    return result


def _steps(dotted_path: str) -> KeyPath:
    return tuple(int(step) if step.isdigit() else step for step in dotted_path.split("."))


def _properties(file: str) -> list[Property]:
    return list(schema_of(_FILES[file]).properties())


def _dotted(part: str, places: list[Property]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{part}.{place.path}" for place in places))


def _name(place: Property) -> str:
    return place.path.rpartition(".")[2]


def _paths(places: list[Property]) -> str:
    """Return the places with what they mean, which may be something else than the key did elsewhere."""
    words = {f"`{place.path}`": place.description.partition(". ")[0].removesuffix(".") for place in places}
    few = len(words) <= _MEANINGS_MAX
    return " or ".join(f"{path} ({meaning})" if few and meaning else path for path, meaning in words.items())


def _such_as(path: KeyPath, example: Json) -> str:
    return "" if example in ("text", "", None) else f", such as `{path[-1]}: {written(example)}`"


def _meaning(node: Any) -> str:
    meaning = " ".join(str(node.get("description", "")).split()).partition(". ")[0].removesuffix(".")
    return f" ({meaning})" if meaning else ""
