"""Mistakes as people type them: each is named with file, line, key, value and rule, and its advice works."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stacks.assemble import Resolved
from stacks.errors import Problem
from stacks.json_schema import Node, schema_of
from stacks.origin import Json, KeyPath, Tree, dotted, leaves, nodes
from stacks.schema import StackConfig
from tests.support.advice import FILES, follow, outcome, read, write
from tests.support.config_cases import lay_out_happy

OVERRIDE = ("config", "sonic:override")
SCHEMA = schema_of(StackConfig)
ROUNDS_MAX = 6
"""A mistake may hide another, which the next check names."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the stack that says everything."""
    root = tmp_path_factory.mktemp("repository")
    lay_out_happy("everything", root)
    return root


@pytest.fixture(scope="module")
def right(root: Path) -> dict[str, Json]:
    """Values of its files."""
    return read(root)


def at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value


def put(values: dict[str, Json], file: str, path: KeyPath, value: Json) -> dict[str, Json]:
    """The values with another one at a path."""
    values = copy.deepcopy(values)
    at(values[file], path[:-1])[path[-1]] = value
    return values


def renamed(values: dict[str, Json], file: str, path: KeyPath, name: str) -> dict[str, Json]:
    """The values with another name for a key, in its place."""
    values = copy.deepcopy(values)
    mapping = at(values[file], path[:-1])
    entries = [(name if key == path[-1] else key, value) for key, value in mapping.items()]
    mapping.clear()
    mapping.update(entries)
    return values


def typed(root: Path, values: dict[str, Json], file: str, path: KeyPath) -> tuple[Problem, ...]:
    """What is said about a mistake at a path; its file and line must be in what is said first about it."""
    trees = write(root, values)
    problems = outcome(root)
    assert not isinstance(problems, Resolved), f"accepted: {file} {dotted(path)}"
    place = trees[file].nearest_origin(path).place
    assert any(place in problem.where.split(" and ") for problem in problems), (place, *map(str, problems))
    return tuple(problems)


def corrected(root: Path, problems: tuple[Problem, ...]) -> Resolved:
    """The stack after the advice was followed, and what is then said."""
    said = list(map(str, problems))
    for _ in range(ROUNDS_MAX):
        follow(root, problems)
        now = outcome(root)
        if isinstance(now, Resolved):
            return now
        problems = tuple(now)
        said += ["then", *map(str, problems)]
    pytest.fail("\n".join(said))


def overridden(values: dict[str, Json], file: str, path: KeyPath) -> bool:
    """Whether the override replaces a value, whose mistake then does not reach the stack."""
    part = next((part for part, each in FILES.items() if each == file and part != "stack"), None)
    return part is not None and Tree(values[FILES["stack"]]).value_at((*OVERRIDE, part, *path)) is not None


def node_at(values: dict[str, Json], file: str, path: KeyPath) -> Node:
    """The schema of a path in a file; empty where keys are data, such as labels and the fields of a patch."""
    part = next(part for part, each in FILES.items() if each == file)
    path = path[len(OVERRIDE) :] if part == "stack" else (part, *path)
    whole: Json = {"site": values[FILES["site"]], "experiment": values[FILES["experiment"]]}
    return SCHEMA.at(path, whole)


def numbers(values: dict[str, Json], *files: str) -> list[tuple[str, KeyPath]]:
    found = [(file, path) for file in files for path, leaf in leaves(values[file]) if type(leaf) in (int, float)]
    found = [(file, path) for file, path in found if node_at(values, file, path).get("type") in {"integer", "number"}]
    found = [(file, path) for file, path in found if not overridden(values, file, path)]
    assert found
    return found


def quantity(path: KeyPath, value: float) -> list[Json]:
    """Ways to type a number of a key that a person may think of, each of the same amount."""
    unit = str(path[-1]).rpartition("_")[2]
    ways: list[Json] = [f"{value}", [value], f"'{value}'", f" {value} "]
    if isinstance(value, int):
        ways += [float(value), hex(value), f"+{value}", f"0{value}"]
    if isinstance(value, int) and value >= 1000:
        ways += [f"{value:_}", f"{value:,}", f"{value:,}".replace(",", " ")]
    if not float(value).is_integer():
        ways += [f"{value}".replace(".", ",")]
    words = {
        "gib": ("Gi", "GiB", " GiB", "gib"),
        "mib": ("Mi", "MiB", " MiB", "mi"),
        "seconds": ("s", "sec", " s", " seconds"),
        "ms": ("ms", " ms", " milliseconds"),
        "hours": ("h", " hours", "hr"),
        "minutes": ("min", "m", " minutes"),
        "cores": (" cores", "cpu"),
        "percent": ("%", " percent"),
    }
    ways += [f"{value}{word}" for word in words.get(unit, (" pieces",))]
    more = {
        "gib": [f"{value * 1024:g}Mi"],
        "cores": [f"{value * 1000:g}m"],
        "seconds": [f"{value * 1000}ms", f"PT{value}S"],
        "ms": [f"{value / 1000:g}s"],
    }
    return [*ways, *more.get(unit, [])]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_quantity_in_other_words_is_put_right(data: st.DataObject, root: Path, right: dict[str, Json]) -> None:
    file, path = data.draw(st.sampled_from(numbers(right, *FILES.values())))
    value = at(right[file], path)
    fractional = node_at(right, file, path)["type"] == "number"  # takes 2.0 for 2
    ways = [way for way in quantity(path, value) if not isinstance(way, int) and not (fractional and way == value)]
    way = data.draw(st.sampled_from(ways))
    problems = typed(root, put(right, file, path, way), file, path)
    (problem,) = problems
    key = dotted(path).removeprefix("config.sonic:override.")
    assert key in problem.sentence
    assert re.search(r"found .*: must be a.*: write ", problem.sentence), problem
    assert corrected(root, problems).config == resolved(root, right)


def resolved(root: Path, values: dict[str, Json]) -> object:
    write(root, values)
    now = outcome(root)
    assert isinstance(now, Resolved)
    return now.config


def misspelt(key: str) -> list[str]:
    words = key.split("_")
    ways = [key.upper(), key.capitalize(), f"{key}s" if len(key) > 4 else key]
    if len(words) > 1:
        ways += [words[0] + "".join(map(str.capitalize, words[1:])), "-".join(words), "".join(words)]
    if len(key) > 5:
        ways += [key[:-2] + key[-1], key[:2] + key[3:], key[:2] + key[3] + key[2] + key[4:], f"{key[:3]}{key[2:]}"]
    return [way for way in dict.fromkeys(ways) if way != key]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_misspelt_key_is_put_right(data: st.DataObject, root: Path, right: dict[str, Json]) -> None:
    file = data.draw(st.sampled_from([FILES["site"], FILES["experiment"], FILES["stack"]]))
    keys = [
        path
        for path, _ in nodes(right[file])
        if path
        and isinstance(path[-1], str)
        and ":" not in path[-1]
        and path[-1] in SCHEMA.keys(node_at(right, file, path[:-1]))
        and not overridden(right, file, path)
        and path[-1] not in {"config", "secure", "encryptionsalt", "kind"}
    ]
    path = data.draw(st.sampled_from(keys))
    name = data.draw(st.sampled_from(misspelt(str(path[-1])) or ["x"]))
    assume(name != "x" and name not in at(right[file], path[:-1]))
    assume(name.rpartition("_")[2] != "s")  # `service_time_s` is the same in seconds
    problems = typed(root, renamed(right, file, path, name), file, (*path[:-1], name))
    assert any(f"`{name}`" in problem.sentence for problem in problems)
    assert corrected(root, problems).config == resolved(root, right)


def overridden_by(values: dict[str, Json], override: Json) -> dict[str, Json]:
    return put(values, FILES["stack"], OVERRIDE, override)


@pytest.mark.parametrize(
    ("override", "at_key", "said"),
    [
        ({"site": {"pools": [{"servers_max": 3}]}}, ("site", "pools", 0), "an override replaces a list whole"),
        ({"site": {"pools": [{"name": "near", "servers_max": 3}]}}, ("site", "pools", 0), "`kind` is missing"),
        ({"site": {"pools": {"near": {"servers_max": 3}}}}, ("site", "pools"), "must be a list"),
        (
            {"experiment": {"models": {"expected": [{"versions": [3]}]}}},
            ("experiment", "models", "expected", 0),
            "`name`",
        ),
        (
            {"site": {"exposure": {"kind": "load-balancer"}}},
            ("site", "exposure", "kind"),
            "add `port: null` to the over",
        ),
        (
            {"site": {"exposure": {"kind": "cluster-ip"}}},
            ("site", "exposure", "kind"),
            "add `hostname: null` to the ov",
        ),
        (
            {"site": {"exposure": {"kind": "loadbalancer"}}},
            ("site", "exposure", "kind"),
            "did you mean `load-balancer`?",
        ),
        ({"site": {"exposure": {"kind": None}}}, ("site", "exposure", "kind"), "is removed by the override"),
        ({"site": {"exposure": "cluster-ip"}}, ("site", "exposure"), 'write {"kind": "cluster-ip"}'),
        (
            {"experiment": {"models": {"repository": {"kind": "image"}}}},
            ("experiment", "models", "repository", "kind"),
            "pat",
        ),
        ({"site": {"access": {"context": None}}}, ("site", "access", "context"), "take `context: null` out"),
        ({"site": None}, ("site",), "or `{}` without any"),
        ({"site": {"proxy": {"replica": 3}}}, ("site", "proxy", "replica"), "did you mean `replicas`?"),
        ({"site": {"proxy": {"replicas": "3"}}}, ("site", "proxy", "replicas"), "write 3, without quotes or unit"),
        ({"site": {"dns_ttl_sconds": None}}, ("site", "dns_ttl_sconds"), "not there to be removed: did you mean"),
        ({"scaling": {"servers_min": 2}}, ("scaling",), "move it below `experiment`"),
        ({"tiny": {"scaling": {"servers_min": 2}}}, ("tiny",), "did you mean `experiment`?"),
    ],
)
def test_a_faulty_override_is_blamed_itself_and_put_right(
    root: Path, right: dict[str, Json], override: Json, at_key: KeyPath, said: str
) -> None:
    values = overridden_by(right, override)
    parts = {file: values[file] for file in (FILES["site"], FILES["experiment"])}
    problems = typed(root, values, FILES["stack"], (*OVERRIDE, *at_key))
    assert any(said in problem.sentence for problem in problems), list(map(str, problems))
    assert all(problem.where.startswith(FILES["stack"]) for problem in problems), list(map(str, problems))
    corrected(root, problems)
    assert {file: read(root)[file] for file in parts} == parts


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("experiment", "proxy", {"replicas": 2}, "write it in the site (stacks/sites/here.yaml) as `proxy`"),
        ("experiment", "dns_ttl_seconds", 5, "write it in the site (stacks/sites/here.yaml) as `dns_ttl_seconds`"),
        ("site", "traffic", {}, "write it in the experiment (stacks/experiments/tiny.yaml) as `traffic`"),
        ("site", "create_namespace", True, "write it as `access.create_namespace`"),
        ("experiment", "queue_target_ms", 20, "write it as `scaling.queue_target_ms`"),
        ("site", "envoy", {"replicas": 2}, "`envoy.replicas` is `site.proxy.replicas`"),
        ("experiment", "maxReplicaCount", 2, "`maxReplicaCount` is `experiment.scaling.servers_max`"),
        ("site", "metricsCollector", {"enabled": True}, "nothing here says the same: remove it"),
        ("site", "tempo", {"enabled": True}, "in this program's words `tempo` is `site.tracing`"),
        ("site", "grafana", {"enabled": True}, "`grafana.enabled` is `site.monitoring.dashboards.kind`"),
    ],
)
def test_a_key_of_another_place_is_told_that_place(
    root: Path, right: dict[str, Json], file: str, key: str, value: Json, said: str
) -> None:
    values = copy.deepcopy(right)
    values[FILES[file]][key] = value  # type: ignore[index,call-overload]
    (problem,) = typed(root, values, FILES[file], (key,))
    assert said in problem.sentence
    corrected(root, (problem,))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"site": "here", "experiment": "tiny"}, "did you mean `sonic:site`?"),
        ({"sonic-site-stacks:site": "here", "sonic:experiment": "tiny"}, "did you mean `sonic:site`?"),
        ({"sonic": {"site": "here", "experiment": "tiny"}}, "write each of its keys in one line"),
        ({"config": {"sonic:site": "here", "sonic:experiment": "tiny"}}, "take this line out"),
        ({"sonic:site": "HERE", "sonic:experiment": "tiny"}, "did you mean `here`?"),
        ({"sonic:site": "stacks/sites/here.yaml", "sonic:experiment": ["tiny"]}, "did you mean `tiny`?"),
        ({"sonic:experiment": "tiny"}, "add `sonic:site: here` below `config:`"),
    ],
)
def test_the_names_of_a_stack_are_put_right(tmp_path: Path, config: dict[str, Json], said: str) -> None:
    lay_out_happy("minimal", tmp_path)
    values = read(tmp_path)
    values[FILES["stack"]] = {"config": config}
    write(tmp_path, values)
    problems = outcome(tmp_path)
    assert not isinstance(problems, Resolved)
    assert any(said in problem.sentence for problem in problems), list(map(str, problems))
    corrected(tmp_path, tuple(problems))
