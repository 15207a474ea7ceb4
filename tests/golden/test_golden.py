"""Each stack's manifests and configurations, as files: a change of the program shows in review what it does.

Envoy's configuration is a file for one stack of each kind; every other stack has the shape of one of them, or of the
plain proxy of `test_envoy_features.py`.
"""

from pathlib import Path

import pytest
import yaml

from tests.support.golden import check, render, shape
from tests.support.stacks import STACKS, recorded

GOLDEN = Path(__file__).parent
ENVOY = "envoy.yaml"
KINDS = ("dev", "nautilus-icecube", "purdue-cms")
"""Stacks whose Envoys differ from the plain one by more than names and numbers: with admission, with tokens, with two
pools."""


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_renders_to_its_golden_files(stack: str, request: pytest.FixtureRequest) -> None:
    rendered = {name: text for name, text in render(recorded(stack)).items() if name != ENVOY or stack in KINDS}
    check(GOLDEN / stack, rendered, update=request.config.getoption("--update-golden"))


@pytest.mark.parametrize("stack", STACKS)
def test_a_stacks_envoy_has_the_shape_of_a_golden_one(stack: str) -> None:
    files = [GOLDEN / "envoy" / "plain.yaml", *(GOLDEN / kind / ENVOY for kind in KINDS)]
    shapes = [shape(yaml.safe_load(file.read_text())) for file in files]
    found = shape(yaml.safe_load(render(recorded(stack))[ENVOY]))
    assert found in shapes, f"{stack} is of a new kind: name it in KINDS of {__file__}, and use --update-golden"


def test_there_is_no_folder_without_a_stack() -> None:
    others = ("__pycache__", "dashboards", "envoy")
    folders = {path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name not in others}
    assert folders == set(STACKS)
