"""From the name of a stack to its configuration, refused where a file or another stack of the repository forbids it."""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from stacks.assemble import Assembler, Resolved
from stacks.collisions import collisions
from stacks.errors import ConfigurationError, Problem, Write, choice, found
from stacks.origin import Json, KeyPath, dotted, leaves
from stacks.plain_secrets import of_plain_secrets
from stacks.reference import read_reference_file
from stacks.schema import StackConfig
from stacks.stack_file import PROJECT, StackFile
from stacks.stack_problems import of_stack_file

ROOT = Path(__file__).resolve().parent.parent
"""Root of the repository."""
REFERENCE_DIRECTORY = Path("stacks/experiments/reference")
"""Directory of the references of expected models, from the root."""


def resolve(stack: str, root: Path = ROOT) -> Resolved:
    """Read, merge and validate the configuration of a stack. Pure but for reading the files below `root`.

    Raises:
        ConfigurationError: with everything that is wrong, one sentence each.
    """
    assembler = Assembler(root)
    resolved, problems = _checked(assembler.stack_file(stack), assembler)
    if resolved is not None:
        others = (_assembled(other, assembler) for other in assembler.stacks if other != stack)
        problems += collisions([resolved, *(other for other in others if other is not None)]).get(stack, ())
    return _valid(resolved, problems)


def resolve_all(root: Path = ROOT) -> Mapping[str, Resolved | ConfigurationError]:
    """Resolve every stack, each file read once: its configuration, or the error that `resolve` raises."""
    assembler = Assembler(root)
    checked: dict[str, tuple[Resolved | None, list[Problem]]] = {}
    for stack in assembler.stacks:
        try:
            checked[stack] = _checked(assembler.stack_file(stack), assembler)
        except ConfigurationError as error:
            checked[stack] = None, list(error.problems)
    met = collisions([resolved for resolved, _ in checked.values() if resolved is not None])
    outcomes: dict[str, Resolved | ConfigurationError] = {}
    for stack, (resolved, problems) in checked.items():
        try:
            outcomes[stack] = _valid(resolved, [*problems, *met.get(stack, ())])
        except ConfigurationError as error:
            outcomes[stack] = error
    return outcomes


def _checked(file: StackFile, assembler: Assembler) -> tuple[Resolved | None, list[Problem]]:
    """Return the configuration, None where it is not valid, and the problems of the stack by itself."""
    try:
        resolved = assembler.assemble(file)
    except ConfigurationError as error:
        own = list(of_stack_file(file, assembler.known, None))
        incomplete = any(
            problem.sentence.startswith(f"{PROJECT}:override") or any(isinstance(edit, Write) for edit in problem.edits)
            for problem in own
        )
        # What is written in a wrong place is not compared: a rule may hold with it.
        return None, [*own, *(problem for problem in error.problems if not (incomplete and problem.compares))]
    own = list(of_stack_file(file, assembler.known, resolved.config.secret_names))
    misspelt = {edit.path[-1] for problem in own for edit in problem.edits if isinstance(edit, Write)}
    return resolved, [
        *own,
        *_missing_secrets(file, resolved, misspelt),
        *_broken_owner(resolved, assembler),
        *_broken_references(resolved, assembler.root),
        *of_plain_secrets(resolved.tree),
    ]


def _assembled(stack: str, assembler: Assembler) -> Resolved | None:
    """Return the configuration of another stack. None: it is not valid, and its own check says why."""
    try:
        return assembler.assemble(assembler.stack_file(stack))
    except ConfigurationError:
        return None


def _valid(resolved: Resolved | None, problems: Sequence[Problem]) -> Resolved:
    if problems or resolved is None:
        raise ConfigurationError(problems)
    return resolved


def refuse_other_values(resolved: Resolved, given: Mapping[str, str | None]) -> None:
    """Refuse values that Pulumi has from elsewhere, such as `--config-file`: the program reads the stack's own file.

    Raises:
        ConfigurationError: a name or an override that Pulumi gives is another than that of the file.
    """
    config = resolved.config
    own = {"site": config.site_name, "experiment": config.experiment_name, "instance": config.instance}
    for key, own_name in own.items():
        name = given.get(key)
        if name is not None and name != own_name:
            rule = f"must be `{own_name}` as in Pulumi.{config.stack}.yaml, the only file that the program reads"
            way_out = "leave out --config-file and `environment:`, or change that file"
            raise ConfigurationError([Problem(f"sonic:{key}", f"found `{name}` from Pulumi: {rule}: {way_out}")])
    path = _difference(resolved.override, json.loads(given.get("override") or "{}"))
    if path is not None:
        rule = f"must be as in Pulumi.{config.stack}.yaml, the only file that the program reads"
        way_out = "leave out --config-file and `environment:`, or change that file"
        sentence = f"found another `{path}` from Pulumi: {rule}: {way_out}"
        raise ConfigurationError([Problem("sonic:override", sentence)])


def _difference(own: Json, given: Json) -> str | None:
    """Return the first path at which two overrides differ, None for equal ones."""
    left, right = ({dotted(path): leaf for path, leaf in leaves(value) if path} for value in (own, given))
    differing = (path for path in sorted({*left, *right}) if path not in left or path not in right)
    unequal = (path for path in sorted(left) if path in right and not _same(left[path], right[path]))
    return next(differing, None) or next(unequal, None)


def _same(own: Json, given: Json) -> bool:
    """Compare two scalars. Pulumi reads `010`, `0x10`, `1_000`, dates and `True` as YAML 1.1, this program as text."""
    if isinstance(own, str) and own[:1] in set("0123456789+-."):
        return True
    return own == given or str(own).lower() == str(given).lower()


def config_digest(config: StackConfig) -> str:
    """Return the SHA-256 of the configuration as canonical JSON, in hexadecimal. Secrets are not in it."""
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _missing_secrets(file: StackFile, resolved: Resolved, misspelt: Container[object]) -> Iterator[Problem]:
    for path, name in resolved.config.secrets:
        if f"{PROJECT}:{name}" in file.entries or f"{PROJECT}:{name}" in misspelt:
            continue
        named = f"{resolved.tree.nearest_origin(path).place} {dotted(path)}"
        sentence = (
            f"{file.stack} needs the secret {name} ({named}): "
            f"pulumi config set --stack {file.stack} --secret {name} (of a new stack, first pulumi stack init)"
        )
        yield Problem(file.tree.nearest_origin(("config",)).place, sentence)


def _broken_owner(resolved: Resolved, assembler: Assembler) -> Iterator[Problem]:
    """The owner of the cluster's singletons must be a stack of the same site: else nobody would set them."""
    config, path = resolved.config, ("site", "singletons_owner")
    owner = config.site.singletons_owner
    if owner is None:
        return
    of_site = [stack for stack in assembler.stacks if _site_of(stack, assembler) == config.site_name]
    if owner not in of_site:
        rule = f"must be a stack of site `{config.site_name}`, one of {', '.join(of_site)}"
        remedy = choice(owner, of_site, otherwise="write one of them")
        place = resolved.tree.nearest_origin(path).place
        yield Problem(place, f"site.singletons_owner: found {found(owner)}: {rule}: {remedy}")


def _site_of(stack: str, assembler: Assembler) -> str | None:
    try:
        return assembler.stack_file(stack).name("site")
    except ConfigurationError:  # told when that stack itself is resolved
        return None


def _broken_references(resolved: Resolved, root: Path) -> Iterator[Problem]:
    """Yield each reference of a model that is missing or wrong, or is of another model."""
    directory = root / REFERENCE_DIRECTORY
    known = [file.relative_to(directory).as_posix() for file in sorted(directory.rglob("*")) if file.is_file()]
    for index, model in enumerate(resolved.config.experiment.models.expected):
        path: KeyPath = ("experiment", "models", "expected", index, "reference")
        place = resolved.tree.nearest_origin(path).place
        for name in dict.fromkeys(model.reference_files.values()):
            thing = f"{dotted(path)}: found {found(name)}"
            if name not in known:
                remedy = choice(name, known, otherwise="correct the name or add the file")
                yield Problem(place, f"{thing}: must be a file below {REFERENCE_DIRECTORY}: {remedy}")
                continue
            try:
                file = read_reference_file(directory / name, (REFERENCE_DIRECTORY / name).as_posix())
            except ConfigurationError as error:
                yield from error.problems
                continue
            if file.model != model.name:
                rule = f"must be of model `{model.name}`, and its `model` is {found(file.model)}"
                yield Problem(place, f"{thing}: {rule}: name the file of this model, or correct the `model` in it")
