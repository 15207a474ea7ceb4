"""Sentences from the findings of pydantic: file and line, thing, value found, rule, way out."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.errors import Problem, choice, found
from stacks.json_schema import Property, Schema, one_of
from stacks.origin import KeyPath, Origin, Tree, dotted
from stacks.placeholders import PLACEHOLDERS
from stacks.schema import Experiment, Site, StackConfig
from stacks.schema.base import BrokenRule, BrokenRulesError
from stacks.stack_file import PROJECT

_FILES: dict[str, type[BaseModel]] = {"site": Site, "experiment": Experiment}
_NAMES: dict[KeyPath, str] = {
    ("site_name",): f"{PROJECT}:site",
    ("experiment_name",): f"{PROJECT}:experiment",
    ("instance",): f"{PROJECT}:instance",
}
"""Keys of Pulumi.<stack>.yaml by their path in StackConfig."""


def of_validation(error: ValidationError, tree: Tree, templates: Mapping[KeyPath, str]) -> Iterator[Problem]:
    """Yield a problem for each thing that is wrong with the tree of a stack.

    Args:
        error: the findings of pydantic.
        tree: the stack, its placeholders filled.
        templates: the texts that had placeholders, as they are written.
    """
    translator = _Translator(tree, templates)
    errors = error.errors(include_url=False)
    for details in errors:
        if not _follows(details, errors):
            yield from translator.problems(details)


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


class _Translator:
    def __init__(self, tree: Tree, templates: Mapping[KeyPath, str]) -> None:
        self._tree = tree
        self._templates = templates
        self._schema = Schema(StackConfig)

    def problems(self, details: ErrorDetails) -> Iterator[Problem]:
        path, of_key = self._path(details["loc"])
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, BrokenRulesError):
            yield from self._broken_rules(cause, path)
        else:
            origin = self._tree.nearest_origin(path)
            kind = self._tree.origins.get((*path[:-1], "kind"))
            if details["type"] == "extra_forbidden" and kind and kind.by_override and not origin.by_override:
                yield Problem(f"{kind.place} and {origin.place}", self._key_under_another_kind(path))
            else:
                yield Problem(origin.place, self._sentence(details, path, of_key, cause, origin))

    def _path(self, location: tuple[str | int, ...]) -> tuple[KeyPath, bool]:
        """Return the path in a location of pydantic, and whether the error is about the last key and not its value.

        Pydantic adds steps that are no keys: the kind that chose among alternatives, and `[key]`.
        """
        path: list[str | int] = []
        value: Any = self._tree.value
        chosen = False
        for step in location:
            if step == "[key]":
                return tuple(path), True
            if not chosen and isinstance(value, dict) and value.get("kind") == step:
                chosen = True
                continue
            path.append(step)
            value, chosen = self._tree.value_at(tuple(path)), False
        return tuple(path), False

    def _broken_rules(self, cause: BrokenRulesError, path: KeyPath) -> Iterator[Problem]:
        for rule in cause.rules:
            thing = f"{dotted(path)}: " if path else ""
            yield Problem(" and ".join(self._places(rule, path)), f"{thing}{rule.message}")

    def _places(self, rule: BrokenRule, path: KeyPath) -> list[str]:
        """Return file and line of each field of a rule. One that is not written adds a line only of another file."""
        origins: list[Origin] = []
        for field in rule.fields:
            steps = path + tuple(int(step) if step.isdigit() else step for step in field.split("."))
            origin = self._tree.nearest_origin(steps)
            if steps in self._tree.origins or origin.file not in {other.file for other in origins}:
                origins.append(origin)
        return list(dict.fromkeys(origin.place for origin in origins))

    def _sentence(
        self, details: ErrorDetails, path: KeyPath, of_key: bool, cause: Exception | None, origin: Origin
    ) -> str:
        thing, value = _NAMES.get(path, dotted(path)), details["input"]
        node = self._schema.at(path, self._tree.value)
        if of_key:
            node = self._schema.key_rule(self._schema.at(path[:-1], self._tree.value))
            key = str(path[-1])
            return f"{dotted(path[:-1])}: found the key {found(key)}: must be {self._schema.rule(node)}: " + (
                self._schema.way_out(node, key, key)
            )
        if cause is not None:
            return f"{thing}: found {self._found(path, value)}: {cause}"
        match details["type"]:
            case "extra_forbidden":
                return f"{thing}: {self._unknown_key(path)}"
            case "missing" if path in self._tree.origins:
                return f"{thing} is removed by the override: must be {self._schema.rule(node)}: {_add(path, node)}"
            case "missing":
                return (
                    f"{thing} is missing: must be {self._schema.rule(node)}: {_add(path, node)}"
                    f"{_whole_list(path, origin)}"
                )
            case "union_tag_not_found" | "union_tag_invalid":
                return self._kind(thing, node, value) + _whole_list(path, origin)
            case _:
                way_out = self._schema.way_out(node, value, str(path[-1]))
                if path[0] == "site" and isinstance(value, str) and "{" in value:
                    way_out = f"only {' and '.join(f'{{{each}}}' for each in PLACEHOLDERS)} are filled in"
                return f"{thing}: found {self._found(path, value)}: must be {self._schema.rule(node)}: {way_out}"

    def _found(self, path: KeyPath, value: Any) -> str:
        template = self._templates.get(path)
        return found(value) if template is None else f"{found(value)} (written {found(template)})"

    def _kind(self, thing: str, node: Any, value: Any) -> str:
        kinds = self._schema.kinds(node)
        choices = one_of(kinds)
        if "kind" not in value:
            return f"{thing}.kind is missing: must be {choices}: add `kind`"
        meant = choice(str(value["kind"]), kinds, otherwise="write one of them")
        return f"{thing}.kind: found {found(value['kind'])}: must be {choices}: {meant}"

    def _key_under_another_kind(self, path: KeyPath) -> str:
        """The override changes `kind`, and the merge keeps a key that belongs to the kind before."""
        kind = self._tree.value_at((*path[:-1], "kind"))
        return (
            f"{dotted(path)}: found the key `{path[-1]}`, which kind `{kind}` of the override does not have: "
            f"add `{path[-1]}: null` to the override"
        )

    def _unknown_key(self, path: KeyPath) -> str:
        key, owner = str(path[-1]), str(path[0])
        siblings = self._schema.keys(self._schema.at(path[:-1], self._tree.value))
        way_out = self._elsewhere(key, owner, path) or choice(
            key, siblings, otherwise=f"the keys are {', '.join(siblings)}: remove it"
        )
        return f"found the key `{key}`, which is not known here: {way_out}"

    def _elsewhere(self, key: str, owner: str, path: KeyPath) -> str | None:
        """Return the place of a key that is known elsewhere, in words."""
        here = "".join("[]" if isinstance(step, int) else f".{step}" for step in path[1:]).removeprefix(".")
        other = "experiment" if owner == "site" else "site"
        places = {file: [place for place in _properties(file) if _name(place) == key] for file in (owner, other)}
        kinds = [f"`{place.kind}`" for place in places[owner] if place.path == here and place.kind]
        if kinds:
            return f"it goes with kind {' or '.join(kinds)} only; remove it"
        if places[owner]:
            return f"write it as {_paths(places[owner])} if that is meant, else remove it"
        if places[other]:
            file = self._tree.nearest_origin((other,)).file
            return f"write it in the {other} ({file}) as {_paths(places[other])} if that is meant, else remove it"
        return None


def _properties(file: str) -> list[Property]:
    return list(Schema(_FILES[file]).properties())


def _name(place: Property) -> str:
    return place.path.rpartition(".")[2]


def _paths(places: list[Property]) -> str:
    return " or ".join(dict.fromkeys(f"`{place.path}`" for place in places))


def _add(path: KeyPath, node: Any) -> str:
    return f"add `{path[-1]}`{_meaning(node)}"


def _whole_list(path: KeyPath, origin: Origin) -> str:
    in_list = any(isinstance(step, int) for step in path)
    return "; an override replaces a list whole" if in_list and origin.by_override else ""


def _meaning(node: Any) -> str:
    meaning = " ".join(str(node.get("description", "")).split()).partition(". ")[0].removesuffix(".")
    return f" ({meaning})" if meaning else ""
