"""Each section of docs/examples.md is a valid configuration over a minimal one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.schema import StackConfig
from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "examples.md"
MINIMAL = ROOT / "tests" / "config" / "happy"
FILES = {"# stacks/sites/here.yaml": "site", "# stacks/experiments/mine.yaml": "experiment"}


def sections() -> dict[str, list[str]]:
    """Return the YAML blocks of each section that has one."""
    parts = re.split(r"^#{2,3} (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    found = {
        title: re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {title: blocks for title, blocks in found.items() if blocks}


def minimal(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(MINIMAL, f"minimal.{kind}.yaml").read_text())
    return found


@pytest.mark.parametrize("section", sections())
def test_a_section_is_a_valid_configuration(section: str) -> None:
    config: dict[str, Any] = {kind: minimal(kind) for kind in ("site", "experiment")}
    for block in sections()[section]:
        kind = FILES[block.splitlines()[0]]
        config[kind] |= yaml.safe_load(block)
    names = {"stack": "here-mine", "site_name": "here", "experiment_name": "mine", "instance": "mine"}
    assert StackConfig.model_validate_json(json.dumps(names | config))
