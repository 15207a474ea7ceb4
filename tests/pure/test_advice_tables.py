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
SERVER, POOL, NODE = ("server",), ("pools", 0), ("virtual_nodes", 0)
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'K' * 43}"


CIDRS: dict[KeyPath, Json] = {("exposure", "client_cidrs"): ["10.0.0.0/8"]}
TLS: dict[KeyPath, Json] = {("exposure", "tls_secret"): "b"}
EXPECTED: dict[KeyPath, Json] = {("models", "expected"): [{"name": "a"}]}
LIMIT: dict[KeyPath, Json] = {("pools", 1, "slurm", "time_limit_minutes"): 240}


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
        (EXPERIMENT, (*SERVER, "gpu_products"), "NVIDIA A100 80GB PCIe", ["NVIDIA-A100-80GB-PCIe"]),
        (EXPERIMENT, (*SERVER, "gpu_products"), "NVIDIA-A10|NVIDIA-L4", ["NVIDIA-A10", "NVIDIA-L4"]),
        (EXPERIMENT, (*SERVER, "gpu_products"), {"NVIDIA-A10": 2}, ["NVIDIA-A10"]),
        (EXPERIMENT, (*SERVER, "gpus"), {"nvidia.com/gpu": 1}, 1),
        (EXPERIMENT, (*SERVER, "extra_flags"), {"metrics-interval-ms": 500}, ["--metrics-interval-ms=500"]),
        (EXPERIMENT, (*SERVER, "image"), {"registry": "a.b", "repository": "c", "tag": "1"}, "a.b/c:1"),
        (EXPERIMENT, (*SERVER, "image"), "/cvmfs/unpacked.cern.ch/registry.hub.docker.com/a/b:1", "docker.io/a/b:1"),
        (EXPERIMENT, ("scaling", "servers_max"), "2-4", 2),
        (EXPERIMENT, ("models", "repository", "bucket"), "https://s3.example.org/models", "models"),
        (EXPERIMENT, ("models", "repository"), "s3://a/b/c", {"kind": "s3", "bucket": "a", "prefix": "b/c"}),
        (EXPERIMENT, ("models", "repository"), {"s3": {"bucket": "abc"}}, {"kind": "s3", "bucket": "abc"}),
        (SITE, ("exposure", "client_cidrs"), "10.0.0.0/8 10.4.0.1", ["10.0.0.0/8", "10.4.0.1/32"]),
        (SITE, ("exposure", "client_cidrs"), ["10.0.0.0/8 10.4.0.0/16"], ["10.0.0.0/8", "10.4.0.0/16"]),
        (SITE, ("exposure", "hostname"), ["a.example.org", "b.example.org"], "a.example.org"),
        (SITE, ("exposure", "hostname"), "sonic-${experiment}.example.org", "sonic-{experiment}.example.org"),
        (SITE, ("exposure", "hostname"), "{{ .Values.Instance }}.example.org", "{instance}.example.org"),
        (SITE, ("exposure", "port"), "8001:30801", 30801),
        (SITE, (*POOL, "gpu"), "NVIDIA-A10", {"products": ["NVIDIA-A10"]}),
        (SITE, (*POOL, "gpu", "resource"), {"nvidia.com/mig-1g.5gb": 1}, "nvidia.com/mig-1g.5gb"),
        (
            SITE,
            (*POOL, "node_affinity"),
            {"nodeAffinity": {"required": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}},
            [{"key": "a", "operator": "Exists"}],
        ),
        (SITE, ("pools", 1, "gpu", "gres"), "gres/gpu:t4:2", "gpu:t4"),
        (SITE, ("pools", 1, "slurm", "time_limit_minutes"), "UNLIMITED", 240),
        (SITE, (*NODE, "tunnel", "public_key"), f"{KEY} me@here", KEY),
        (SITE, ("virtual_nodes", 1, "tunnel", "client_sha256"), f"sha256:{'AB' * 32}", "ab" * 32),
        (SITE, (*NODE, "slurm", "runtime_path"), "singularity", "/usr/bin/singularity"),
        (SITE, (*NODE, "slurm", "data_folder"), "/scratch//interlink/", "/scratch/interlink"),
        (SITE, (*NODE, "api", "plugin_command"), "a && b", ["/bin/sh", "-c", "a && b"]),
        (SITE, (*NODE, "interlink"), "v0.7.0-pre1", "0.7.0-pre1"),
        (SITE, ("storage", "s3", "access_key_secret"), "sonic:key-id", "key-id"),
        (SITE, ("tracing", "sampling_percent"), "50%", 50),
        (
            SITE,
            ("node_labels",),
            {"node1": {"a": "b"}},
            [{"node": "node1", "labels": {"a": "b"}}],
        ),
        (STACK, ("config", "sonic:override", "site"), "proxy:\n  replicas: 3\n", {"proxy": {"replicas": 3}}),
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
        (SITE, ("keda", "namespace"), ("keda", "timeout"), "9 s", {("keda", "timeout_ms"): 9000}),
        (SITE, ("exposure", "client_cidrs"), ("exposure", "loadBalancerSourceRanges"), ["10.0.0.0/8"], CIDRS),
        (SITE, ("exposure", "tls_secret"), ("exposure", "tls"), [{"hosts": ["a"], "secretName": "b"}], TLS),
        (SITE, ("exposure", "hostname"), ("exposure", "hosts"), ["a.b"], {("exposure", "hostname"): "a.b"}),
        (EXPERIMENT, ("models", "expected"), ("models", "names"), [{"name": "a"}], EXPECTED),
        (EXPERIMENT, ("traffic", "attempts_max"), ("traffic", "retries"), 3, {("traffic", "attempts_max"): 3}),
        (EXPERIMENT, (*SERVER, "flags"), (*SERVER, "tag"), "v2", {(*SERVER, "image"): "triton:v2"}),
        (SITE, ("pools", 1, "slurm", "time_limit_minutes"), ("pools", 1, "slurm", "walltime"), "4:00:00", LIMIT),
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
        (SITE, ("exposure", "path"), "/", "the keys are service_name"),
        (SITE, ("storage", "s3", "access_key_secret"), "", "write one such as s3-access-key"),
        (SITE, ("monitoring", "claim"), "data", "write one such as"),
        (SITE, ("pools", 1, "gpu", "resource"), "nvidia.com/gpu", "it goes with kind `kubernetes` only"),
        (
            EXPERIMENT,
            (*SERVER, "environment", "TOKEN"),
            {"valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
            "write `TOKEN: token` below experiment.server.secret_environment",
        ),
        (STACK, ("config", "sonic:override", "site", "experiment"), {"scaling": {}}, "move it beside `site:`"),
        (STACK, ("config", "sonic:override", "experiment.scaling.servers_max"), 2, "write `servers_max: 2` below"),
        (STACK, ("config", "sonic:namespace"), "cms", "as `site.access.namespace: cms`"),
        (STACK, ("config", "sonic:site"), "tiny", '"tiny", which is an experiment'),
        (STACK, ("config", "sonic:experiment"), ["tiny", "here"], "add a Pulumi.<stack>.yaml for each further"),
    ],
)
def test_a_key_of_another_chart_is_told_its_place(
    tmp_path: Path, right: dict[str, Json], file: str, path: KeyPath, value: Json, said: str
) -> None:
    (problem,) = told(tmp_path, right, Write(file, path, value))
    assert said in problem.sentence


def test_a_key_that_another_one_means_is_not_told_to_be_missing(tmp_path: Path, right: dict[str, Json]) -> None:
    edits = (Remove(EXPERIMENT, ("scaling",)), Write(EXPERIMENT, ("scaling",), {"minReplicas": 2, "maxReplicas": 2}))
    problems = told(tmp_path, right, *edits)
    assert [problem.sentence.rpartition(": ")[2] for problem in problems] == [
        "did you mean `servers_min`?",
        "did you mean `servers_max`?",
    ]


def test_a_misspelt_secret_is_not_told_to_be_missing(tmp_path: Path, right: dict[str, Json]) -> None:
    secret = Tree(right[STACK]).value_at(("config", "sonic:hub-token"))
    edits = (Remove(STACK, ("config", "sonic:hub-token")), Write(STACK, ("config", "sonic:hub_token"), secret))
    (problem,) = told(tmp_path, right, *edits)
    assert "did you mean `sonic:hub-token`?" in problem.sentence


def test_a_wrong_item_under_an_override_is_one_problem(tmp_path: Path, right: dict[str, Json]) -> None:
    pools: Json = [{"kind": "kubernetes", "name": "own", "servers_max": 2, "gpu": {"products": ["NVIDIA-A10"]}}]
    one: Json = [{"kind": "kubernetes", "name": "near", "servers_max": "2", "gpu": {}}]
    edits = (Write(STACK, ("config", "sonic:override", "site", "pools"), pools), Write(SITE, ("pools",), one))
    (problem,) = told(tmp_path, right, *edits)
    assert "site.pools[0].servers_max" in problem.sentence


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_an_empty_file_is_one_problem_of_that_file(tmp_path: Path, right: dict[str, Json], text: str) -> None:
    write(tmp_path, right)
    (tmp_path / EXPERIMENT).write_text(text)
    problems = outcome(tmp_path)
    assert not isinstance(problems, Resolved)
    (problem,) = problems
    assert str(problem).startswith(f"{EXPERIMENT}:1: experiment: found no key in the file")


def test_a_key_that_only_the_file_can_have_is_missing_in_the_file(tmp_path: Path, right: dict[str, Json]) -> None:
    edits = (
        Remove(EXPERIMENT, ("scaling",)),
        Write(STACK, ("config", "sonic:override", "experiment"), {"scaling": {"servers_min": 2}}),
    )
    (problem,) = told(tmp_path, right, *edits)
    assert str(problem).startswith(f"{EXPERIMENT}:1: experiment.scaling.servers_max is missing")
    assert "add `servers_max` below `scaling`" in problem.sentence


def test_a_byte_that_is_not_utf_8_is_told_its_line(tmp_path: Path, right: dict[str, Json]) -> None:
    write(tmp_path, right)
    (tmp_path / SITE).write_bytes("a: 1\nb: f\u00fcr\n".encode("latin-1"))
    problems = outcome(tmp_path)
    assert not isinstance(problems, Resolved)
    assert f"{SITE}:2: found the byte 0xfc" in str(problems[0])


def test_a_site_and_an_experiment_are_exchanged(tmp_path: Path, right: dict[str, Json]) -> None:
    edits = (Write(STACK, ("config", "sonic:site"), "tiny"), Write(STACK, ("config", "sonic:experiment"), "here"))
    problems = told(tmp_path, right, *edits)
    follow(tmp_path, problems)
    assert isinstance(outcome(tmp_path), Resolved)


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
        {"sonic:override": "scaling"},
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
