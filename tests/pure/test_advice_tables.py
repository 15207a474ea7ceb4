"""Values and keys as operators of SuperSONIC type them, each with what they mean: the advice writes that."""

from pathlib import Path
from typing import Any

import pytest

from stacks.assemble import Resolved
from stacks.edits import edited
from stacks.errors import Problem, Remove, Write
from stacks.origin import Json, KeyPath, Tree
from stacks.resolve import resolve_all
from tests.support.advice import FILES, follow, outcome, read, write
from tests.support.config_cases import lay_out_happy

SITE, EXPERIMENT, STACK = FILES["site"], FILES["experiment"], FILES["stack"]
SERVER, POOL = ("server",), ("pools", 0)


@pytest.fixture
def right(tmp_path: Path) -> dict[str, Json]:
    """Values of the files of the stack that says everything."""
    lay_out_happy("everything", tmp_path)
    return read(tmp_path)


def told(root: Path, values: dict[str, Json], *edits: Write | Remove) -> tuple[Problem, ...]:
    """Return the problems of the files after edits."""
    write(root, dict(edited(values, edits)))
    problems = outcome(root)
    assert not isinstance(problems, Resolved), "accepted"
    return tuple(problems)


@pytest.mark.parametrize(
    ("file", "path", "typed", "meant"),
    [
        (EXPERIMENT, (*SERVER, "memory_gib"), "5Gi", 5),
        (EXPERIMENT, (*SERVER, "shared_memory_mib"), 32, 64),
        (EXPERIMENT, (*SERVER, "shared_memory_mib"), 1, 1024),
        (EXPERIMENT, ("traffic", "largest_message_mib"), 2048, 1024),
        (EXPERIMENT, ("traffic", "largest_message_mib"), 33554432, 32),
        (EXPERIMENT, ("traffic", "longest_request_seconds"), 500000, 500),
        (EXPERIMENT, ("scaling", "scale_up_period_seconds"), "1h", 1800),
        (EXPERIMENT, ("scaling", "scale_down_servers"), "3\u00a0", 3),
        (EXPERIMENT, ("scaling", "scale_down_servers"), "3\n", 3),
        (EXPERIMENT, (*SERVER, "image"), "triton: 24.10", "triton:24.10"),
        (EXPERIMENT, (*SERVER, "image"), "triton@24.10", "triton:24.10"),
        (EXPERIMENT, (*SERVER, "gpu_products"), ["NVIDIA A10"], ["NVIDIA-A10"]),
        (EXPERIMENT, (*SERVER, "environment"), [{"name": "A", "value": "b"}], {"A": "b"}),
        (EXPERIMENT, (*SERVER, "environment"), {"my-threads": "2"}, {"MY_THREADS": "2"}),
        (EXPERIMENT, (*SERVER, "extra_flags"), ["trace-config level"], ["--trace-config=level"]),
        (EXPERIMENT, ("models", "repository", "bucket"), "s3://models/production", "models"),
        (EXPERIMENT, ("models", "expected", 1, "name"), "second model", "second_model"),
        (EXPERIMENT, ("models", "expected", 0, "versions"), "(1, 3)", [1, 3]),
        (
            EXPERIMENT,
            ("models", "expected", 0, "checksums_md5"),
            {"a": "D41D8CD98F00B204E9800998ECF8427E"},
            {"a": "d41d8cd98f00b204e9800998ecf8427e"},
        ),
        (SITE, ("exposure", "client_cidrs"), ["10.0.0.0-10.255.255.255"], ["10.0.0.0/8"]),
        (SITE, ("exposure", "client_cidrs"), ["10.4.*"], ["10.4.0.0/16"]),
        (SITE, ("storage", "s3", "endpoint_url"), "https://key:word@s3.example.org", "https://s3.example.org"),
        (SITE, ("storage", "s3", "endpoint_url"), "https://10.1.2.3:190000", "https://10.1.2.3"),
        (
            SITE,
            (*POOL, "tolerations"),
            ["dedicated=sonic:NoSchedule"],
            [{"key": "dedicated", "operator": "Equal", "value": "sonic", "effect": "NoSchedule"}],
        ),
        (SITE, (*POOL, "tolerations"), {"key": "spot"}, [{"key": "spot"}]),
        (SITE, ("security",), "restricted", {"pod_security": "restricted"}),
    ],
)
def test_a_value_is_put_right(
    tmp_path: Path, right: dict[str, Json], file: str, path: KeyPath, typed: Json, meant: Json
) -> None:
    problems = told(tmp_path, right, Write(file, path, typed))
    follow(tmp_path, [problem for problem in problems if problem.edits][:1])
    assert Tree(read(tmp_path)[file]).value_at(path) == meant, list(map(str, problems))


@pytest.mark.parametrize(
    ("file", "old", "typed", "value", "meant"),
    [
        (EXPERIMENT, (*SERVER, "gpus"), (*SERVER, "gpu"), 1, {(*SERVER, "gpus"): 1}),
        (EXPERIMENT, (*SERVER, "cpu_cores"), (*SERVER, "cpus"), 2, {(*SERVER, "cpu_cores"): 2}),
        (EXPERIMENT, ("scaling",), ("keda",), {"servers_max": 2}, {("scaling",): {"servers_max": 2}}),
        (SITE, ("access",), ("cluster",), {"context": "a", "namespace": "b"}, {("access", "context"): "a"}),
        (SITE, ("proxy", "replicas"), ("proxy.replicas",), 3, {("proxy", "replicas"): 3}),
        (
            EXPERIMENT,
            (*SERVER, "data", 0, "path"),
            (*SERVER, "data", 0, "mountPath"),
            "/a",
            {(*SERVER, "data", 0, "path"): "/a"},
        ),
        (
            SITE,
            ("storage", "s3", "access_key_secret"),
            ("storage", "s3", "access_key"),
            "AKIA",
            {("storage", "s3", "access_key_secret"): "access-key"},
        ),
        (SITE, (*POOL, "kind"), (*POOL, "type"), "Kubernetes", {(*POOL, "kind"): "kubernetes"}),
        (SITE, ("monitoring", "kind"), ("monitoring", "enabled"), True, {("monitoring", "kind"): "own"}),
    ],
)
def test_a_key_is_put_right(
    tmp_path: Path,
    right: dict[str, Json],
    file: str,
    old: KeyPath,
    typed: KeyPath,
    value: Json,
    meant: dict[KeyPath, Json],
) -> None:
    problems = told(tmp_path, right, Remove(file, old), Write(file, typed, value))
    assert "AKIA" not in " ".join(map(str, problems))
    follow(tmp_path, [problem for problem in problems if problem.edits][:1])
    now: Any = Tree(read(tmp_path)[file])
    assert {path: now.value_at(path) for path in meant} == meant, list(map(str, problems))


@pytest.mark.parametrize(
    ("file", "path", "value", "said"),
    [
        (EXPERIMENT, ("scaling", "cooldownPeriod"), 300, "`experiment.scaling.scale_down_wait_seconds`"),
        (EXPERIMENT, (*SERVER, "livenessProbe"), {}, "`experiment.server.probes.liveness`"),
        (SITE, ("proxy", "resources"), {}, "`site.proxy.cpu_cores`, `site.proxy.memory_mib`"),
        (SITE, (*POOL, "gpu_product"), "T4", "`site.pools[].gpu.products`"),
        (SITE, ("images", "triton"), "a:1", "`experiment.server.image`"),
        (SITE, ("exposure", "ports"), [8001], "remove it"),
        (EXPERIMENT, ("client",), {"kind": "tokens"}, "did you mean `clients`? It is there already"),
    ],
)
def test_a_key_of_another_chart_is_told_its_place(
    tmp_path: Path, right: dict[str, Json], file: str, path: KeyPath, value: Json, said: str
) -> None:
    (problem,) = told(tmp_path, right, Write(file, path, value))
    assert said in problem.sentence


def test_a_value_under_an_override_is_checked_too(tmp_path: Path, right: dict[str, Json]) -> None:
    """Another stack may read it."""
    (problem,) = told(tmp_path, right, Write(EXPERIMENT, ("scaling", "servers_min"), "one"))
    assert 'experiment.scaling.servers_min: found "one": must be an integer >= 0: write 1' in str(problem)
    follow(tmp_path, [problem])
    assert isinstance(outcome(tmp_path), Resolved)


@pytest.mark.parametrize(
    "typed",
    [
        {"sonic:overrides": {"site": {"pools": []}}},
        {"sonic:override": {"sites": {}}},
        {"sonic:override": None, "site": {"proxy": {"replicas": 2}, "dns_ttl_seconds": 5}},
    ],
)
def test_rules_are_not_compared_while_an_override_is_misplaced(
    tmp_path: Path, right: dict[str, Json], typed: dict[str, Json]
) -> None:
    """The values that it would give may be those that hold."""
    broken = Write(EXPERIMENT, ("scaling", "servers_max"), 50)
    entries = [Write(STACK, ("config", key), value) for key, value in typed.items()]
    problems = told(tmp_path, right, broken, Remove(STACK, ("config", "sonic:override")), *entries)
    assert not [problem for problem in problems if problem.compares], list(map(str, problems))


def test_an_override_at_the_column_of_its_key_is_moved(tmp_path: Path, right: dict[str, Json]) -> None:
    moved: Json = {"scaling": {"servers_min": 2}, "traffic": {"attempts_max": 2}}
    entries = (Write(STACK, ("config", "sonic:override"), None), Write(STACK, ("config", "experiment"), moved))
    (problem,) = told(tmp_path, right, *entries)
    assert problem.sentence.endswith("write it below `sonic:override` as `experiment`")
    follow(tmp_path, [problem])
    assert isinstance(outcome(tmp_path), Resolved)


def test_a_part_below_its_own_name_is_one_problem(tmp_path: Path, right: dict[str, Json]) -> None:
    (problem,) = told(tmp_path, right, Write(SITE, (), {"site": right[SITE]}))
    assert "take this line out, and move those below it to its column" in problem.sentence
    follow(tmp_path, [problem])
    assert isinstance(outcome(tmp_path), Resolved)


def test_a_namespace_is_refused_once(tmp_path: Path, right: dict[str, Json]) -> None:
    """And not again in each text that repeats it."""
    (problem,) = told(tmp_path, right, Write(SITE, ("access", "namespace"), "sonic-{stack}"))
    assert "write the text itself" in problem.sentence


def test_the_site_of_a_stack_is_guessed_from_its_name(tmp_path: Path) -> None:
    for site in ("far", "here"):
        (tmp_path / f"stacks/sites/{site}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"stacks/sites/{site}.yaml").write_text("{}")
    (tmp_path / "Pulumi.here-cms.yaml").write_text("config: {}")
    said = str(resolve_all(tmp_path)["here-cms"])
    assert "add `sonic:site: here` below `config:`" in said
