"""Pulumi.<stack>.yaml: the names of site, experiment and instance, the override, the secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacks.errors import ConfigurationError, Problem, choice
from stacks.origin import Json, Origin, Tree
from stacks.source import load

PROJECT = "sonic"
"""The Pulumi project, and so the namespace of its configuration keys."""
PARTS = ("site", "experiment")
"""Parts of a stack that have a file each: `stacks/<part>s/<name>.yaml`."""
KEYS = (*PARTS, "instance", "override")
"""Keys of the project that are not secrets."""


@dataclass(frozen=True)
class StackFile:
    """The content of a Pulumi.<stack>.yaml."""

    stack: str
    """Name of the stack."""
    tree: Tree
    """The whole file."""

    @property
    def entries(self) -> Mapping[str, Json]:
        """The entries of `config:`."""
        config = self.tree.value_at(("config",))
        return config if isinstance(config, dict) else {}

    @property
    def override(self) -> Tree:
        """The merge patch for `site` and `experiment`; empty by default."""
        override = self.tree.at("config", f"{PROJECT}:override")
        return override if override and isinstance(override.value, dict) else Tree({})

    def name(self, part: str) -> str | None:
        """Return the name of the `site` or the `experiment`, None where the file has none."""
        value = self.entries.get(f"{PROJECT}:{part}")
        return value if isinstance(value, str) else None

    def origin(self, key: str) -> Origin:
        """Return the line of a key of the project, or that of `config:` where the key is missing."""
        return self.tree.nearest_origin(("config", f"{PROJECT}:{key}"))


def known_stacks(root: Path) -> tuple[str, ...]:
    """Return the names of all stacks, sorted."""
    names = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml"))
    return tuple(sorted(names))


def load_stack_file(stack: str, root: Path, known: Sequence[str]) -> StackFile:
    """Read the file of one of the known stacks.

    Raises:
        ConfigurationError: when there is no such stack, or its file cannot be read.
    """
    if stack not in known:
        name = Path(stack).name.removeprefix("Pulumi.").removesuffix(".yaml")
        if stack != name and name in known:
            sentence = f"found the name of a file: must be the name of a stack: write {name}"
            raise ConfigurationError([Problem(stack, sentence)])
        remedy = choice(name, known, otherwise=f"write one of them, or add Pulumi.{name}.yaml")
        sentence = f"there is no stack `{name}`: must be one of {', '.join(known)}: {remedy}"
        raise ConfigurationError([Problem(f"Pulumi.{name}.yaml", sentence)])
    return StackFile(stack, load(root / f"Pulumi.{stack}.yaml", root))
