"""A stack as its files have it: where each value is written, and what the models would say after an edit."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.errors import Edit, Remove, found
from stacks.json_schema import Schema, schema_of
from stacks.origin import Json, KeyPath, Origin, Tree, dotted
from stacks.schema import StackConfig
from stacks.schema.base import BrokenRulesError
from stacks.stack_file import PROJECT

_NAMES: dict[KeyPath, str] = {
    ("site_name",): f"{PROJECT}:site",
    ("experiment_name",): f"{PROJECT}:experiment",
    ("instance",): f"{PROJECT}:instance",
}
"""Keys of Pulumi.<stack>.yaml by their path in StackConfig."""
OVERRIDE_DEPTH = 2
"""Length of the path of the override in Pulumi.<stack>.yaml."""


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

    @property
    def schema(self) -> Schema:
        """The schema of the whole."""
        return schema_of(StackConfig)

    def thing(self, path: KeyPath) -> str:
        """Return the words for a path in a sentence: dotted, or the key of Pulumi.<stack>.yaml."""
        return _NAMES.get(path, dotted(path))

    def location(self, path: KeyPath, origin: Origin) -> tuple[str, KeyPath]:
        """Return the file that an edit of a path belongs to, and the path in that file."""
        if path in _NAMES:
            return self.stack_file, ("config", _NAMES[path])
        if origin.by_override or path[0] not in self.part_files:
            return self.stack_file, ("config", f"{PROJECT}:override", *path)
        return self.part_files[str(path[0])], path[1:]

    def kind_origin(self, path: KeyPath) -> Origin | None:
        """Return the line of the override that chose the kind of a mapping, if one did."""
        kind = self.tree.origins.get((*path[:-1], "kind"))
        return kind if kind and kind.by_override else None

    def raw(self, path: KeyPath, value: Json) -> Json:
        """Return a value whose scalars are the texts that were written."""
        if isinstance(value, dict):
            return {key: self.raw((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.raw((*path, index), item) for index, item in enumerate(value)]
        origin = self.tree.origins.get(path)
        return origin.text if origin and origin.text is not None else json.dumps(value)

    def found(self, path: KeyPath, value: Any) -> str:
        """Return the words for the value found at a path, with what is written where placeholders were filled."""
        template = self.templates.get(path)
        return found(value) if template is None else f"{found(value)} (written {found(template)})"

    def accepts(self, path: KeyPath, *edits: Edit, below: bool = True) -> bool:
        """Tell whether a path, and all below it, has no error after edits. Rules over several fields are not asked."""
        of_parts = edits and all(edit.file != self.stack_file for edit in edits)
        if of_parts and self.tree.nearest_origin(path).by_override:  # which hides the value from this stack
            edits = (*edits, Remove(self.stack_file, ("config", f"{PROJECT}:override")))
        for at, details in self._errors(edits):
            if isinstance(details.get("ctx", {}).get("error"), BrokenRulesError):
                continue
            broken = (*at, "kind") if details["type"].startswith("union_tag") else at
            if broken[: len(path)] == path and (below or len(broken) == len(path)):
                return False
        return True

    def breaks_rule(self, path: KeyPath, *edits: Edit) -> bool:
        """Tell whether after edits a rule is broken on the value at a path, or on its mapping."""
        for at, details in self._errors(edits):
            cause = details.get("ctx", {}).get("error")
            if not isinstance(cause, BrokenRulesError):
                continue
            named = [(*at, *steps(field)) for rule in cause.rules for field in rule.fields]
            of_mapping = len(path) > 1 and at == path[:-1]
            if of_mapping or any(path[: len(each)] == each and len(each) >= len(path) - 1 for each in named):
                return True
        return False

    def _errors(self, edits: Iterable[Edit]) -> list[tuple[KeyPath, ErrorDetails]]:
        """Return what is wrong with the stack after edits, each with its path."""
        whole = self.assembled(edits)
        try:
            StackConfig.model_validate_json(json.dumps(whole))
        except ValidationError as error:
            return [(key_path(details["loc"], whole)[0], details) for details in error.errors(include_url=False)]
        return []


def steps(field: str | KeyPath) -> KeyPath:
    """Return the path of a field that a rule names, such as `pools.0.gpu`."""
    if isinstance(field, tuple):
        return field
    return tuple(int(step) if step.isdigit() else step for step in field.split("."))


def key_path(location: tuple[str | int, ...], whole: Json) -> tuple[KeyPath, bool]:
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
