"""Pulumi.<stack>.yaml: the names of site, experiment and instance, the override, the secrets."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacks.errors import ConfigurationError, Problem, choice, found
from stacks.origin import Json, Origin, Tree
from stacks.source import load

PROJECT = "sonic"
"""The Pulumi project, and so the namespace of its configuration keys."""
PARTS = ("site", "experiment")
"""Parts of a stack that have a file each: `stacks/<part>s/<name>.yaml`."""
KEYS = (*PARTS, "instance", "override")
"""Keys of the project that are not secrets."""
_TOP = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")


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

    def problems(self, known: Mapping[str, Sequence[str]], secret_names: Sequence[str] | None) -> Iterator[Problem]:
        """Yield the problems of this file alone.

        Args:
            known: the existing names of each of PARTS.
            secret_names: secrets that the stack needs; None while the configuration is not valid.
        """
        yield from self._top_problems()
        for part, names in known.items():
            yield from self._name_problems(part, names)
        yield from self._override_problems()
        for key in self.entries:
            yield from self._key_problems(key, secret_names)

    def _top_problems(self) -> Iterator[Problem]:
        top = self.tree.value if isinstance(self.tree.value, dict) else {}
        for key, value in top.items():
            place = self.tree.origins[(key,)].place
            if key not in _TOP:
                ours = _own_key(key)
                remedy = f"move it below `config:` as `{ours}`" if ours else choice(key, _TOP, otherwise="remove it")
                yield Problem(place, f"found the key `{key}`, which Pulumi does not know: {remedy}")
            elif key == "config" and not isinstance(value, dict):
                yield Problem(
                    place, f"config: found {found(value)}: must be a mapping: write `{PROJECT}:site: …` in it"
                )

    def _problem(self, key: str, sentence: str) -> Problem:
        return Problem(self.origin(key).place, f"{PROJECT}:{key}{sentence}")

    def _name_problems(self, part: str, names: Sequence[str]) -> Iterator[Problem]:
        value = self.entries.get(f"{PROJECT}:{part}")
        rule = f"must name a file of stacks/{part}s, one of {', '.join(names)}"
        if value is None:
            yield self._problem(part, f" is missing: {rule}: add `{PROJECT}:{part}: …` below `config:`")
        elif value not in names:
            file = value if isinstance(value, str) and value == value.lower() else "NAME"
            remedy = choice(str(value), names, otherwise=f"write one of them, or add stacks/{part}s/{file}.yaml")
            yield self._problem(part, f": found {found(value)}: {rule}: {remedy}")

    def _override_problems(self) -> Iterator[Problem]:
        value = self.entries.get(f"{PROJECT}:override", {})
        if not isinstance(value, dict):
            yield self._problem(
                "override", f": found {found(value)}: must be a mapping: write `site:` or `experiment:`"
            )
            return
        for key in value:
            if key not in PARTS:
                place = self.override.origins[(key,)].place
                sentence = f"{PROJECT}:override: found the key `{key}`: must be site or experiment: move it below one"
                yield Problem(place, sentence)

    def _key_problems(self, key: str, secret_names: Sequence[str] | None) -> Iterator[Problem]:
        namespace, _, name = key.partition(":")
        value = self.entries[key]
        encrypted = value if isinstance(value, dict) and set(value) == {"secure"} else None
        if namespace == "pulumi" or (namespace == PROJECT and name in KEYS):
            return
        if namespace == PROJECT and name in (secret_names or ()):
            command = f"pulumi config set --stack {self.stack} --secret {name}"
            if not encrypted:
                yield self._problem(name, f": found plain text: a secret must be encrypted: {command}")
            elif not _is_ciphertext(encrypted["secure"]):
                rule = "must be as Pulumi encrypted it"
                yield self._problem(name, f": found a `secure` that is not encrypted: {rule}: {command}")
        elif not (namespace == PROJECT and encrypted and secret_names is None):
            known = [f"{PROJECT}:{each}" for each in (*KEYS, *(secret_names or ()))]
            if key == PROJECT:
                remedy = f"write each of its keys in one line, as `{PROJECT}:site: …`"
            elif ours := _own_key(key):
                remedy = f"did you mean `{ours}`?"
            else:
                remedy = choice(key, known, otherwise="remove it")
            sentence = f"config: found the key `{key}`, which is not known: must be one of {', '.join(known)}: {remedy}"
            yield Problem(self.tree.origins["config", key].place, sentence)


def _own_key(key: str) -> str | None:
    """Return the key of the project that was meant by one with another namespace or with none."""
    name = key.rpartition(":")[2]
    return f"{PROJECT}:{name}" if name in KEYS else None


def _is_ciphertext(secure: Json) -> bool:
    """Tell whether a text can be what Pulumi encrypted: base64, or `v1:` and two pieces of it."""
    pieces = secure.removeprefix("v1:").split(":") if isinstance(secure, str) else [""]
    try:
        return all(base64.b64decode(piece, validate=True) for piece in pieces)
    except ValueError:
        return False


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
