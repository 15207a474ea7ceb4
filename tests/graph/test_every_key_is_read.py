"""No key is read by nobody: each, changed, changes what is deployed, what is exported or what the check expects."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from acceptance.__main__ import expected
from acceptance.errors import CheckError
from access.kubeconfig import find_context
from fit.questions import unasked
from rendering.manifests import manifests
from stacks.errors import ConfigurationError
from stacks.json_schema import Property, Schema
from stacks.merge import merge_patch
from stacks.origin import Json, KeyPath
from stacks.resolve import resolve
from stacks.schema import Experiment, Site, StackConfig
from stacks.schema.base import BrokenRulesError
from tests.support.config_cases import STACK, happy_cases, lay_out_happy
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.stacks import record

Place = tuple[str, str, str | None]
"""Part, path and kind of a key, as the reference page has them."""

PARTS = {"site": Schema(Site), "experiment": Schema(Experiment)}


def keys() -> dict[Place, Property]:
    """Every key that holds a value and not further keys."""
    found = {(part, each.path, each.kind): each for part, schema in PARTS.items() for each in schema.properties()}
    return {place: each for place, each in found.items() if not (each.is_group or each.path.endswith("kind"))}


KEYS = keys()
FOR_PEOPLE = "for whoever reads the file"
FOR_THE_PROXY = "is of the proxy on the HPC side, which `python -m stacks edge` configures"
READ_BY_NOBODY: Mapping[Place, str] = {
    ("site", "description", None): FOR_PEOPLE,
    ("site", "security.exception_reason", None): FOR_PEOPLE,
    ("experiment", "description", None): FOR_PEOPLE,
    **dict.fromkeys(
        [("site", "further_exposures[].tls_secret", kind) for kind in ("cluster-ip", "node-port", "load-balancer")],
        "must be that of `exposure`, for all ways lead to one port of Envoy",
    ),
    ("site", "keda.scale_to_zero", None): "allows experiment.scaling.servers_min: 0 when it is read",
    ("site", "keda.version", None): "compared with the release that keda.timeout_ms needs when it is read",
    ("site", "access.kubernetes_version", None): "compared with the oldest supported release when it is read",
    ("site", "virtual_nodes[].api.issuer_url", "oauth2"): FOR_THE_PROXY,
    ("site", "virtual_nodes[].api.subject", "oauth2"): FOR_THE_PROXY,
    ("site", "virtual_nodes[].slurm.cluster", None): FOR_PEOPLE,
    ("site", "virtual_nodes[].slurm.kill_wait_seconds", None): "compared with the drain of a job when it is read",
}
"""Keys without an effect, with the reason. Nothing else belongs here but what only people read, or equals another."""

PATCHES: tuple[Json, ...] = (
    {
        "experiment": {
            "models": {"repository": {"kind": "cvmfs", "paths": ["/cvmfs/a.ch/b"], "bucket": None, "prefix": None}},
            "scaling": {"servers_min": 1},
        }
    },
    {"experiment": {"models": {"repository": {"kind": "volume", "bucket": None, "prefix": None}}}},
)
"""Patches of the happy case `everything`: other kinds of storage that the site offers, and a range of servers."""

TEXTS = ("192.0.2.0/24", "/cvmfs/other.ch", "/other", "other", "https://other.example.org/", "example.org/other:1")


@dataclass(frozen=True)
class Base:
    """A configuration to change."""

    tree: dict[str, Any]
    config: StackConfig
    effects: str


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with references, and a kubeconfig that has the context of the happy cases and another."""
    directory = tmp_path_factory.mktemp("access")
    lay_out_happy("everything", directory)
    write_kubeconfig(directory / "kubeconfig", "here", "herex")
    return directory


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> list[Base]:
    """The happy cases, and `everything` on each kind of storage."""
    trees: dict[str, Any] = {}
    for case in happy_cases():
        root = tmp_path_factory.mktemp(case)
        lay_out_happy(case, root)
        trees[case] = resolve(STACK, root).config.model_dump(mode="json")
    configs = [valid(tree) for tree in (*(merge_patch(trees["everything"], p) for p in PATCHES), *trees.values())]
    return [Base(config.model_dump(mode="json"), config, effects(config, directory)) for config in configs]


def written(value: Json, part: str, path: str = "", at: KeyPath = ()) -> Iterator[tuple[Place, KeyPath]]:
    """The keys in a value, each with the way to it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from written(item, part, path, (*at, index))
    if isinstance(value, dict):
        kind = value.get("kind")
        for key, item in value.items():
            below = f"{path}.{key}".removeprefix(".")
            yield (part, below, kind if isinstance(kind, str) else None), (*at, key)
            yield from written(item, part, f"{below}[]" if isinstance(item, list) else below, (*at, key))


def changed(schema: Schema, node: Mapping[str, Any], value: Json) -> Iterator[Json]:
    """Other values of a key, the likeliest first; the model refuses those that it does not allow."""
    match value:
        case bool():
            yield not value
        case int() | float():
            yield from (value + 1, value - 1, value * 2, value / 2)
        case str() if "enum" in node:
            yield from node["enum"]
        case str():
            yield from (f"{value}x", f"{value}/x", f"a{value[1:]}", *TEXTS, *node.get("examples", ()))
        case list():
            yield from (value[:-1], *([*value, item] for item in samples(schema, node.get("items", {}))))
        case dict():
            yield from (
                {},
                *({**value, "example.org/key": item} for item in ("other", 1)),
                {**value, "1/other": "0" * 32},
            )
        case None:
            yield from samples(schema, node)


def samples(schema: Schema, node: Mapping[str, Any]) -> Iterator[Json]:
    """Values of a key that has none."""
    yield from node.get("enum", ())
    yield from node.get("examples", ())
    yield from (*TEXTS, node.get("minimum", 1), 1.5)
    if "properties" in node:
        yield {key: next(samples(schema, below)) for key, below in node["properties"].items()}


def effects(config: StackConfig, directory: Path) -> str:
    """All that follows from a configuration, as text: resources, outputs, the check's expectations, the cluster."""
    recorder = record(config)
    # The recorder hides secrets; with placeholders it shows which secret goes where.
    secrets = [each for each in manifests(config) if each["kind"] == "Secret"] if config.secret_names else []
    resources = {urn: asdict(resource) for urn, resource in recorder.resources_by_urn.items()}
    try:
        check: object = expected(config.experiment.models, directory)
    except CheckError as error:
        check = str(error)
    try:
        cluster = repr(find_context(config.site.access, {"KUBECONFIG": str(directory / "kubeconfig")}))
    except ConfigurationError as error:
        cluster = str(error)
    outputs = {urn: recorder.outputs[urn] for urn in recorder.resources_by_urn if urn in recorder.outputs}
    fit = unasked(config)
    return json.dumps((resources, outputs, secrets, check, cluster, fit), sort_keys=True, default=plain)


def plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else repr(value)


def has_an_effect(place: Place, bases: list[Base], directory: Path) -> bool:
    part = place[0]
    schema = PARTS[part]
    for base in bases:
        tree = base.tree[part]
        for path in (path for found, path in written(tree, part) if found == place):
            for value in changed(schema, schema.at(path, tree), at(tree, path)):
                config = with_value(base, (part, *path), value)
                try:
                    if config and config != base.config and effects(config, directory) != base.effects:
                        return True
                except KeyError:  # a rule over several keys refuses a name that nothing has, and here it is looked up
                    return True
    return False


def with_value(base: Base, path: KeyPath, value: Json) -> StackConfig | None:
    """The configuration with another value; None: the key does not allow it.

    A value that only breaks a rule over several keys is taken: of keys that change together, each is to be read.
    """
    tree = deepcopy(base.tree)
    at(tree, path[:-1])[path[-1]] = value
    try:
        return valid(tree)
    except ValidationError as error:
        only_rules = all(isinstance(each.get("ctx", {}).get("error"), BrokenRulesError) for each in error.errors())
        return copied(base.config, path, value) if only_rules else None


def valid(tree: Json) -> StackConfig:
    return StackConfig.model_validate_json(json.dumps(tree))


def at(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value


def copied(value: Any, path: KeyPath, new: Json) -> Any:
    """A copy with another value at the path, valid by itself: rules over several keys are not asked."""
    if not path:
        return new
    step, *below = path
    if isinstance(value, BaseModel):
        field = type(value).model_fields[str(step)]
        if not below:
            new = TypeAdapter(field.rebuild_annotation()).validate_json(json.dumps(new))
        return value.model_copy(update={str(step): copied(getattr(value, str(step)), tuple(below), new)})
    if isinstance(value, dict):
        return {**value, step: copied(value[step], tuple(below), new)}
    return tuple(copied(item, tuple(below), new) if index == step else item for index, item in enumerate(value))


@pytest.mark.parametrize("place", KEYS, ids=lambda place: ".".join(filter(None, place)))
def test_a_changed_key_has_an_effect(place: Place, bases: list[Base], directory: Path) -> None:
    having = [base for base in bases if place in dict(written(base.tree[place[0]], place[0]))]
    if place in READ_BY_NOBODY:
        assert not has_an_effect(place, having[:1], directory), (
            "the key has an effect now: take it from the list of those without"
        )
    else:
        assert has_an_effect(place, having, directory), (
            "no value of this key changes anything: read it, or take it out of the schema"
        )


def test_one_configuration_has_the_same_effects_twice(bases: list[Base], directory: Path) -> None:
    """Otherwise every key would seem to be read."""
    assert [effects(base.config, directory) for base in bases] == [base.effects for base in bases]


def test_only_keys_that_exist_are_excused() -> None:
    assert READ_BY_NOBODY.keys() <= KEYS.keys()
