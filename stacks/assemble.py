"""Site, experiment and override put together and validated, one stack at a time."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from stacks.edits import edited
from stacks.errors import ConfigurationError, Edit, Problem, Remove
from stacks.merge import merge_trees
from stacks.origin import Json, KeyPath, Origin, Tree, leaves
from stacks.placeholders import fill_site, templates
from stacks.problems import Written, of_hidden_values, of_removals, of_validation
from stacks.schema import StackConfig
from stacks.source import load
from stacks.stack_file import PARTS, PROJECT, StackFile, known_stacks, load_stack_file


@dataclass(frozen=True)
class Resolved:
    """The configuration of a stack, and the file and line of each of its values."""

    config: StackConfig
    """The configuration."""
    tree: Tree
    """The values of the files, before defaults, with origins."""
    override: Json
    """The override as it is written."""

    def origin(self, path: KeyPath) -> Origin | None:
        """Return the line of the value at a path of `config`; None: it is the schema's default."""
        return self.tree.origins.get(path)

    def origins(self) -> Mapping[KeyPath, Origin | None]:
        """Return the origin of every leaf of `config`: each value that is neither a mapping nor a list with items."""
        return {path: self.origin(path) for path, _ in leaves(self.config.model_dump(mode="json"))}


class Assembler:
    """Assembles the stacks below `root`. It reads each file once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        """Root of the repository."""
        self.known: Mapping[str, tuple[str, ...]] = {part: known_names(part, root) for part in PARTS}
        """The existing names of each of PARTS, sorted."""
        self._part = cache(lambda path: load(path, root))
        self.stacks = known_stacks(root)
        """Names of all stacks, sorted."""
        self._stack_file = cache(lambda stack: load_stack_file(stack, root, self.stacks))

    def stack_file(self, stack: str) -> StackFile:
        """Return the file of a stack.

        Raises:
            ConfigurationError: when there is no such stack, or its file cannot be read.
        """
        return self._stack_file(stack)

    def assemble(self, file: StackFile) -> Resolved:
        """Return the configuration of a stack, without what only other files or stacks can say against it.

        Raises:
            ConfigurationError: with a sentence for each thing that is wrong in the parts or in the override.
        """
        parts: dict[str, Tree] = {}
        problems: list[Problem] = []
        for part, names in self.known.items():
            name = file.name(part)
            if name in names:
                try:
                    parts[part] = self._part(self.root / f"stacks/{part}s/{name}.yaml")
                    if not parts[part].value:
                        problems.append(_empty(parts.pop(part), part))
                except ConfigurationError as error:
                    problems += error.problems
        written = self._tree(file, parts)
        tree = _filled(written)
        problems += self._hidden(file, parts, written)
        try:
            # JSON, since strict validation of Python values takes no list for a tuple and no text for an enumeration.
            config = StackConfig.model_validate_json(json.dumps(tree.value))
        except ValidationError as error:
            stack = self._written(file, parts, written)
            raise ConfigurationError([*problems, *of_validation(error, stack)]) from error
        if any(value is None for _, value in leaves(file.override.value)):
            removals = list(of_removals(self._written(file, parts, written), file.override))
            problems += removals
        if problems:
            raise ConfigurationError(problems)
        return Resolved(config, tree, file.override.value)

    def _hidden(self, file: StackFile, parts: Mapping[str, Tree], merged: Tree) -> list[Problem]:
        """Return the problems of what the files say and the override replaces."""
        if not file.override.value:
            return []
        alone = StackFile(file.stack, _without_override(file.tree))
        written = self._tree(alone, parts)
        try:
            StackConfig.model_validate_json(json.dumps(_filled(written).value))
        except ValidationError as error:
            return list(of_hidden_values(error, self._written(alone, parts, written), merged))
        return []

    def _written(self, file: StackFile, parts: Mapping[str, Tree], written: Tree) -> Written:
        start = file.tree.origins[()]
        part_files = {part: f"stacks/{part}s/{file.name(part)}.yaml" for part in parts}
        values = {start.file: file.tree.value, **{part_files[part]: tree.value for part, tree in parts.items()}}

        def assembled(edits: Iterable[Edit]) -> Json:
            after = edited(values, edits)
            stack = StackFile(file.stack, Tree.of(after[start.file], start))
            return _filled(self._tree(stack, {part: Tree.of(after[part_files[part]], start) for part in parts})).value

        return Written(
            tree=_filled(written),
            templates=templates(written),
            parts=Tree.mapping(parts, start),
            stack_file=start.file,
            part_files=part_files,
            assembled=assembled,
        )

    def _tree(self, file: StackFile, parts: Mapping[str, Tree]) -> Tree:
        """Return one tree with the names that are known, and with `parts` under the override."""
        start = file.tree.origins[()]
        trees = {"stack": Tree(file.stack, {(): start})}
        merged = merge_trees(Tree.mapping(parts, start), file.override)
        for part, names in self.known.items():
            if (name := file.name(part)) in names:
                trees[f"{part}_name"] = Tree(name, {(): file.origin(part)})
            if part in parts and (tree := merged.at(part)):
                trees[part] = tree
        if f"{PROJECT}:instance" in file.entries:
            trees["instance"] = Tree(file.entries[f"{PROJECT}:instance"], {(): file.origin("instance")})
        elif "experiment_name" in trees:
            trees["instance"] = trees["experiment_name"]
        return Tree.mapping(trees, start)


def _empty(tree: Tree, part: str) -> Problem:
    rule = f"must hold the keys of {'a site' if part == 'site' else 'an experiment'}"
    way_out = f"copy another file of stacks/{part}s and change it, or put this one back as it was in git"
    return Problem(tree.origins[()].place, f"{part}: found no key in the file: {rule}: {way_out}")


def known_names(part: str, root: Path) -> tuple[str, ...]:
    """Return the names of the sites (`site`) or of the experiments (`experiment`), sorted."""
    return tuple(sorted(path.stem for path in (root / f"stacks/{part}s").glob("*.yaml")))


def _without_override(tree: Tree) -> Tree:
    at = ("config", f"{PROJECT}:override")
    value = edited({"": tree.value}, [Remove("", at)])[""]
    return Tree(value, {path: origin for path, origin in tree.origins.items() if path[: len(at)] != at})


def _filled(tree: Tree) -> Tree:
    """Fill the placeholders of the site. A wrong name is told once, not again in every text that repeats it."""
    site = tree.at("site")
    if site is None:
        return tree
    experiment, instance = tree.value_at(("experiment_name",)), tree.value_at(("instance",))
    filled = fill_site(site, experiment=_label(experiment) or "experiment", instance=_label(instance) or "instance")
    value: Json = {**tree.value, "site": filled.value} if isinstance(tree.value, dict) else tree.value
    return Tree(value, tree.origins)


def _label(name: Json) -> str | None:
    return name if isinstance(name, str) and re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) else None
