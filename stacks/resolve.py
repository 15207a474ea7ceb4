"""From the name of a stack to its configuration: site and experiment, the override over them, the defaults below."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from stacks.errors import ConfigurationError, Problem, choice, found
from stacks.merge import merge_trees
from stacks.origin import KeyPath, Origin, Tree, dotted, leaves
from stacks.problems import of_validation
from stacks.schema import StackConfig
from stacks.source import load
from stacks.stack_file import PROJECT, StackFile, known_stacks, load_stack_file

ROOT = Path(__file__).resolve().parent.parent
"""Root of the repository that this module stands in."""
REFERENCE_DIRECTORY = Path("stacks/experiments/reference")
"""Where the references of expected models are, from the root."""


@dataclass(frozen=True)
class Resolved:
    """A stack's configuration, and where each value of it was written."""

    config: StackConfig
    """The configuration."""
    tree: Tree
    """What the files say, before defaults, with origins."""

    def origin(self, path: KeyPath) -> Origin | None:
        """Give where the value at a path of `config` was written; None: it is the schema's default."""
        return self.tree.origins.get(path)

    def origins(self) -> Mapping[KeyPath, Origin | None]:
        """Give the origin of every leaf of `config`: of each value that is neither a mapping nor a list with items."""
        return {path: self.origin(path) for path, _ in leaves(self.config.model_dump(mode="json"))}


def resolve(stack: str, root: Path = ROOT) -> Resolved:
    """Read, merge and validate the configuration of a stack. Pure but for reading the files below `root`.

    Raises:
        ConfigurationError: with everything that is wrong, one sentence each.
    """
    file = load_stack_file(stack, root)
    known = {fact: known_names(fact, root) for fact in ("site", "experiment")}
    try:
        resolved = _validated(file, known, root)
    except ConfigurationError as error:
        raise ConfigurationError([*file.problems(known, None), *error.problems]) from error
    problems = [
        *file.problems(known, resolved.config.secret_names),
        *_missing_secrets(file, resolved),
        *_broken_owner(resolved, root),
        *_missing_references(resolved, root),
    ]
    if problems:
        raise ConfigurationError(problems)
    return resolved


def known_names(fact: str, root: Path = ROOT) -> tuple[str, ...]:
    """Give the names of the sites (`site`) or of the experiments (`experiment`), sorted."""
    return tuple(sorted(path.stem for path in (root / f"stacks/{fact}s").glob("*.yaml")))


def config_digest(config: StackConfig) -> str:
    """Give the SHA-256 of the configuration as canonical JSON, in hexadecimal. Secrets are not in it."""
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _validated(file: StackFile, known: Mapping[str, tuple[str, ...]], root: Path) -> Resolved:
    trees: dict[str, Tree] = {}
    problems: list[Problem] = []
    for fact, names in known.items():
        name = file.name(fact)
        if name in names:
            try:
                trees[fact] = load(root / f"stacks/{fact}s/{name}.yaml", root)
            except ConfigurationError as error:
                problems += error.problems
    tree = _tree(file, trees)
    try:
        # JSON, since strict validation of Python values takes no list for a tuple and no text for an enumeration.
        config = StackConfig.model_validate_json(json.dumps(tree.value))
    except ValidationError as error:
        raise ConfigurationError([*problems, *of_validation(error, tree)]) from error
    return Resolved(config, tree)


def _tree(file: StackFile, trees: Mapping[str, Tree]) -> Tree:
    """Put together what is known of a stack: its names, and under them `trees` with the override over them."""
    start = file.tree.origins[()]
    parts = {"stack": Tree(file.stack, {(): start})}
    facts = merge_trees(Tree.mapping(trees, start), file.override)
    for fact in ("site", "experiment"):
        if (name := file.name(fact)) is not None:
            parts[f"{fact}_name"] = Tree(name, {(): file.origin(fact)})
        if fact in trees and (part := facts.at(fact)):
            parts[fact] = part
    return Tree.mapping(parts, start)


def _missing_secrets(file: StackFile, resolved: Resolved) -> Iterator[Problem]:
    s3 = resolved.config.site.storage.s3
    for name in resolved.config.secret_names:
        if f"{PROJECT}:{name}" in file.entries or s3 is None:
            continue
        field = "access_key_secret" if s3.access_key_secret == name else "secret_key_secret"
        named = resolved.tree.nearest_origin(("site", "storage", "s3", field)).place
        sentence = (
            f"{file.stack} needs the secret {name} ({named} site.storage.s3.{field}): "
            f"pulumi config set --stack {file.stack} --secret {name}"
        )
        yield Problem(file.tree.nearest_origin(("config",)).place, sentence)


def _broken_owner(resolved: Resolved, root: Path) -> Iterator[Problem]:
    """The owner of the cluster's singletons is a stack, and of the same site: else nobody sets them, silently."""
    config, path = resolved.config, ("site", "singletons_owner")
    owner = config.site.singletons_owner
    if owner is None:
        return
    of_site = [stack for stack in known_stacks(root) if _site_of(stack, root) == config.site_name]
    if owner not in of_site:
        rule = f"must be a stack of site `{config.site_name}`, one of {', '.join(of_site)}"
        remedy = choice(owner, of_site, otherwise="write one of them")
        place = resolved.tree.nearest_origin(path).place
        yield Problem(place, f"site.singletons_owner: found {found(owner)}: {rule}: {remedy}")


def _site_of(stack: str, root: Path) -> str | None:
    try:
        return load_stack_file(stack, root).name("site")
    except ConfigurationError:  # told when that stack itself is resolved
        return None


def _missing_references(resolved: Resolved, root: Path) -> Iterator[Problem]:
    directory = root / REFERENCE_DIRECTORY
    known = [file.relative_to(directory).as_posix() for file in sorted(directory.rglob("*")) if file.is_file()]
    for index, model in enumerate(resolved.config.experiment.models.expected):
        if model.reference is not None and model.reference not in known:
            path: KeyPath = ("experiment", "models", "expected", index, "reference")
            remedy = choice(model.reference, known, otherwise="correct the name or add the file")
            sentence = f"{dotted(path)}: found {found(model.reference)}: must be a file below {REFERENCE_DIRECTORY}"
            yield Problem(resolved.tree.nearest_origin(path).place, f"{sentence}: {remedy}")
