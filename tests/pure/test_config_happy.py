"""Good input: the cases below tests/config/happy resolve, and together they say every key that there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stacks.assemble import Resolved
from stacks.json_schema import Schema
from stacks.origin import Json, leaves
from stacks.resolve import config_digest, resolve
from stacks.schema import Experiment, Site
from stacks.schema.base import RESERVED_KEYS, Model, SecretName, secrets_in
from stacks.schema.exposure import IngressExposure
from stacks.show import render
from stacks.source import parse
from stacks.stack_file import KEYS
from tests.support.config_cases import STACK, happy_cases, lay_out_happy


def resolved_case(case: str, root: Path) -> Resolved:
    lay_out_happy(case, root)
    return resolve(STACK, root)


def said(value: Json, path: str = "") -> Iterator[tuple[str, str | None]]:
    """Every key that is written, with the kind of the mapping it stands in."""
    if isinstance(value, list):
        for item in value:
            yield from said(item, f"{path}[]")
    if isinstance(value, dict):
        kind = value.get("kind")
        for key, item in value.items():
            below = f"{path}.{key}".removeprefix(".")
            yield below, kind if isinstance(kind, str) else None
            yield from said(item, below)


def test_the_cases_set_every_key(tmp_path: Path) -> None:
    written: dict[str, set[tuple[str, str | None]]] = {"site": set(), "experiment": set()}
    for case in happy_cases():
        tree = resolved_case(case, tmp_path / case).tree
        for file, keys in written.items():
            part = tree.at(file)
            assert part is not None
            keys.update(said(part.value))
    models: dict[str, type[BaseModel]] = {"site": Site, "experiment": Experiment}
    for file, model in models.items():
        known = {(property_.path, property_.kind) for property_ in Schema(model).properties()}
        assert known - written[file] == set()


@pytest.mark.parametrize("case", happy_cases())
def test_show_prints_yaml_that_reads_back_as_the_configuration(case: str, tmp_path: Path) -> None:
    resolved = resolved_case(case, tmp_path)
    expected = resolved.config.model_dump(mode="json")
    for with_origins in (False, True):
        assert parse(render(resolved, with_origins=with_origins), "shown").value == expected


def test_defaults_come_from_the_schema_and_the_rest_from_its_line(tmp_path: Path) -> None:
    resolved = resolved_case("everything", tmp_path)
    origins = {path: str(origin or "default") for path, origin in resolved.origins().items()}

    def line(file: str, text: str) -> str:
        number = (tmp_path / file).read_text().splitlines().index(text) + 1
        return f"{file}:{number}"

    site, stack = "stacks/sites/here.yaml", "Pulumi.case.yaml"
    assert origins["stack",] == f"{stack}:1"
    assert origins["site_name",] == line(stack, "  sonic:site: here")
    assert origins["site", "access", "api_server_port"] == line(site, "  api_server_port: 443")
    assert origins["site", "pools", 0, "gpu", "products", 1] == line(site, "      products: [NVIDIA-A10, NVIDIA-L4]")
    assert origins["site", "pools", 0, "tolerations", 1, "operator"] == "default"
    assert origins["site", "proxy", "replicas"] == f"override {line(stack, '        replicas: 3')}"
    assert origins["site", "proxy", "cpu_cores"] == line(site, "  cpu_cores: 0.5")
    assert origins["experiment", "scaling", "servers_min"] == f"override {line(stack, '        servers_min: 2')}"


def test_every_leaf_has_an_origin(tmp_path: Path) -> None:
    resolved = resolved_case("everything", tmp_path)
    shown = [path for path, _ in leaves(resolved.config.model_dump(mode="json"))]
    assert list(resolved.origins()) == shown


def test_a_pool_that_the_models_do_not_run_on_is_not_used(tmp_path: Path) -> None:
    shares = resolved_case("everything", tmp_path).config.pool_shares
    assert [(share.pool.name, share.servers_min, share.servers_max, share.gpu_products) for share in shares] == [
        ("near", 2, 2, ("NVIDIA-A10",))
    ]


def test_servers_go_to_the_first_pools_and_each_pool_keeps_one(tmp_path: Path) -> None:
    lay_out_happy("minimal", tmp_path)
    site, stack = tmp_path / "stacks/sites/here.yaml", tmp_path / f"Pulumi.{STACK}.yaml"
    pools = [
        f"{{ kind: kubernetes, name: {name}, servers_max: {most}, gpu: {{}} }}"
        for name, most in zip("abc", (3, 4, 9), strict=True)
    ]
    site.write_text(
        site.read_text().replace("[{ kind: kubernetes, name: gpu, servers_max: 2, gpu: {} }]", f"[{', '.join(pools)}]")
        + "keda: {}\n"
    )
    scaling = "  sonic:override: { experiment: { scaling: { servers_min: 5, servers_max: 10 } } }\n"
    stack.write_text(stack.read_text() + scaling)
    shares = resolve(STACK, tmp_path).config.pool_shares
    assert [(share.servers_min, share.servers_max) for share in shares] == [(3, 3), (1, 4), (1, 3)]
    assert [share.autoscaled for share in shares] == [False, True, True]


def test_the_digest_changes_with_any_value_and_not_with_comments(tmp_path: Path) -> None:
    before = config_digest(resolved_case("minimal", tmp_path).config)
    experiment = tmp_path / "stacks/experiments/tiny.yaml"
    experiment.write_text(f"# a comment\n{experiment.read_text()}")
    assert config_digest(resolve(STACK, tmp_path).config) == before
    experiment.write_text(experiment.read_text().replace("cpu_cores: 1", "cpu_cores: 2"))
    assert config_digest(resolve(STACK, tmp_path).config) != before


def test_a_secret_is_no_part_of_the_configuration(tmp_path: Path) -> None:
    before = config_digest(resolved_case("everything", tmp_path).config)
    stack = tmp_path / f"Pulumi.{STACK}.yaml"
    stack.write_text(stack.read_text().replace("secure: v1:AAAAAAAAAAAAAAAA:AAAA", "secure: v1:BBBBBBBBBBBBBBBB:BBBB"))
    assert config_digest(resolve(STACK, tmp_path).config) == before


def test_the_instance_is_in_the_name_and_in_texts_of_the_site_with_its_placeholder(tmp_path: Path) -> None:
    resolved = resolved_case("instance", tmp_path)
    config, exposure = resolved.config, resolved.config.site.exposure
    assert (config.name, config.namespace) == ("sonic-tiny-dev", "sonic-tiny")
    assert isinstance(exposure, IngressExposure)
    assert (exposure.hostname, exposure.tls_secret) == ("tiny-dev.tiny.example.org", "tiny-dev-tls")
    assert exposure.annotations == {"example.org/group": "tiny/tiny-dev {other}"}
    assert str(resolved.origin(("instance",))) == f"Pulumi.{STACK}.yaml:4"


def test_the_service_and_the_namespace_are_in_texts_of_each_way_in(tmp_path: Path) -> None:
    config = resolved_case("further-ways", tmp_path).config
    assert [(way.service, way.exposure.hostname) for way in config.ways_in] == [
        ("tiny", "tiny.sonic.example.org"),
        ("web", "web-tiny.example.org"),
        ("route", "route-tiny.example.org"),
    ]


def test_a_way_in_without_a_service_name_has_one_by_the_instance_and_its_kind(tmp_path: Path) -> None:
    lay_out_happy("minimal", tmp_path)
    file = tmp_path / "stacks/sites/here.yaml"
    further = """further_exposures:
  - kind: load-balancer
    hostname: "{service}.example.org"
    client_cidrs: [192.0.2.0/24]
"""
    file.write_text(file.read_text() + further)
    first, second = resolve(STACK, tmp_path).config.ways_in
    assert first.service == "sonic-tiny-envoy"
    assert (second.service, second.exposure.hostname) == (
        "sonic-tiny-envoy-load-balancer",
        "sonic-tiny-envoy-load-balancer.example.org",
    )


def test_the_instance_is_by_default_the_experiment(tmp_path: Path) -> None:
    resolved = resolved_case("minimal", tmp_path)
    assert resolved.config.name == "sonic-tiny"
    assert resolved.origin(("instance",)) == resolved.origin(("experiment_name",))


def test_secrets_are_found_by_their_type_wherever_they_are_named() -> None:
    class Inner(Model):
        """A part with secrets in every way that a field can hold one."""

        one: SecretName | None
        several: tuple[SecretName, ...] = ()
        named: dict[str, SecretName] | None = None
        text: str = "no-secret"

    class Outer(Model):
        """A whole."""

        inner: tuple[Inner, ...]

    whole = Outer.model_validate_json(
        '{"inner": [{"one": "a", "several": ["b"], "named": {"key": "c"}}, {"one": null}]}'
    )
    assert list(secrets_in(whole)) == [
        (("inner", 0, "one"), "a"),
        (("inner", 0, "several", 0), "b"),
        (("inner", 0, "named", "key"), "c"),
    ]


def test_no_secret_can_have_the_name_of_a_key_of_the_stack_file() -> None:
    assert set(KEYS) == RESERVED_KEYS
