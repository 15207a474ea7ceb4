"""The stacks, sites and experiments that are in the repository."""

import json
import re
from pathlib import Path

import pytest

from stacks.__main__ import main
from stacks.assemble import known_names
from stacks.resolve import REFERENCE_DIRECTORY, ROOT, resolve
from stacks.schema_docs import generated_files, schema_json
from stacks.source import load
from stacks.stack_file import known_stacks

STACKS = known_stacks(ROOT)
FIRST_STACKS = {
    "dev",
    "purdue-cms",
    "anvil-cms",
    "nautilus-cms",
    "nautilus-atlas",
    "nautilus-icecube",
    "uchicago-atlas",
}


def test_the_first_stacks_are_there() -> None:
    assert set(STACKS) >= FIRST_STACKS


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_resolves(stack: str) -> None:
    assert resolve(stack).config.stack == stack


@pytest.mark.parametrize("part", ["site", "experiment"])
def test_every_site_and_every_experiment_has_a_stack(part: str) -> None:
    used = {getattr(resolve(stack).config, f"{part}_name") for stack in STACKS}
    assert set(known_names(part, ROOT)) == used


@pytest.mark.parametrize("site", known_names("site", ROOT))
def test_the_singletons_of_a_site_have_one_owner(site: str) -> None:
    configs = [config for stack in STACKS if (config := resolve(stack).config).site_name == site]
    owners = {owner for config in configs if (owner := config.site.singletons_owner) is not None}
    assert len(owners) <= 1, "an override changes the owner for one stack only"
    assert [config.stack for config in configs if config.owns_singletons] == sorted(owners)


def test_every_reference_belongs_to_an_expected_model() -> None:
    directory = ROOT / REFERENCE_DIRECTORY
    kept = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}
    models = [model for stack in STACKS for model in resolve(stack).config.experiment.models.expected]
    assert kept == {model.reference for model in models if model.reference is not None}


def test_only_the_development_stacks_hold_a_salt() -> None:
    """The salt of a real stack belongs to those who deploy it; the passphrase of the development stacks is empty."""
    salted = [stack for stack in STACKS if load(ROOT / f"Pulumi.{stack}.yaml", ROOT).at("encryptionsalt")]
    assert salted == ["dev", "dev-slurm"]


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_files_are_fresh(path: Path) -> None:
    stale = f"{path} is stale: python -m stacks schema --write"
    assert (ROOT / path).read_text(encoding="utf-8") == generated_files()[path], stale


def test_the_editors_schema_allows_placeholders_in_a_site_only() -> None:
    definitions = json.loads(schema_json())["$defs"]
    namespace = definitions["Access"]["properties"]["namespace"]["pattern"]
    assert re.search(namespace, "sonic-{experiment}")
    assert re.search(namespace, "sonic")
    assert not re.search(namespace, "sonic-{stack}")
    assert not re.search(definitions["S3Repository"]["properties"]["bucket"]["pattern"], "{experiment}")


def test_list_shows_every_stack_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    head, *rows = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert [row.split()[0] for row in rows] == list(STACKS)
    for column in ("SITE", "EXPERIMENT", "POOLS", "SERVERS", "ADDRESS"):
        start = head.index(column)
        assert all(row[start - 2 : start] == "  " and row[start] != " " for row in rows)
    assert max(map(len, rows)) <= 125


def test_check_says_ok_for_every_stack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  remark: ")]
    assert lines == [f"ok     {stack}" for stack in STACKS]


def test_schema_writes_what_is_stale_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("stacks/sites", "stacks/experiments"):
        (tmp_path / folder).mkdir(parents=True)
    for verdict in ("written", "fresh"):
        assert main(["schema", "--write"], tmp_path) == 0
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            [verdict, str(path)] for path in generated_files()
        ]
    assert all((tmp_path / path).read_text(encoding="utf-8") == text for path, text in generated_files().items())
