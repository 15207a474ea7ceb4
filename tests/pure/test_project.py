"""The files around the code agree with it: Renovate, the changelog, links, GitHub's forms."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = json.loads((ROOT / "renovate.json").read_text())
(MANAGER,) = CONFIG["customManagers"]


def managed_files() -> list[Path]:
    """Python files with a comment for Renovate."""
    folders = ("components", "stacks", "acceptance", "devcluster", "testbed", "benchmarks")
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return [file for file in files if re.search(r"^# renovate:", file.read_text(), re.MULTILINE)]


def matches(text: str) -> list[dict[str, str | None]]:
    """What the custom manager finds. JavaScript writes a named group without Python's P."""
    (pattern,) = (pattern.replace("(?<", "(?P<") for pattern in MANAGER["matchStrings"])
    return [found.groupdict() for found in re.finditer(pattern, text)]


def test_a_manager_looks_into_each_file_with_a_comment() -> None:
    (pattern,) = (pattern.strip("/") for pattern in MANAGER["managerFilePatterns"])
    files = [file.relative_to(ROOT).as_posix() for file in managed_files()]
    assert files
    assert [file for file in files if not re.search(pattern, file)] == []


@pytest.mark.parametrize("file", managed_files(), ids=lambda file: file.name)
def test_each_comment_is_followed_by_a_version_that_is_found(file: Path) -> None:
    text = file.read_text()
    found = matches(text)
    assert len(found) == len(re.findall(r"^# renovate:", text, re.MULTILINE))
    for image in found:
        assert image["datasource"] == "docker"
        digest = f"@{image['currentDigest']}" if image["currentDigest"] else ""
        assert f'"{image["depName"]}:{image["currentValue"]}{digest}"' in text


def test_the_changelog_begins_with_the_declared_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    unreleased, newest, *_ = re.findall(
        r"^## \[(.+)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert (unreleased, newest) == ("Unreleased", version)


@pytest.mark.parametrize("form", (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"), ids=lambda form: form.stem)
def test_github_can_read_its_forms(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    if form.stem == "config":
        return
    assert {"name", "description", "body"} <= set(content)
    assert all({"type", "attributes"} <= set(field) for field in content["body"])


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "stacks").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_the_versions_that_are_tested() -> None:
    readme = (ROOT / "README.md").read_text()
    sdk = re.search(r"^pulumi-kubernetes==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    cli = re.search(r"pulumi/pkg/v3 v(\S+)", (ROOT / "devcluster" / "tools" / "pulumi" / "go.mod").read_text())
    assert sdk
    assert cli
    assert f"pulumi plugin install resource kubernetes {sdk[1]}\n" in readme
    assert f"CLI {cli[1]} with plugin `kubernetes` {sdk[1]}" in readme


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/chaos.md"])
def test_a_page_names_targets_that_make_has(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^\$ |`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE)
    assert named
    assert set(named) <= targets
