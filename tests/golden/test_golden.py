"""Every stack's manifests and configurations, as files: a change of the program shows in review what it does."""

from pathlib import Path

import pytest

from tests.support.golden import render
from tests.support.stacks import STACKS, recorded

GOLDEN = Path(__file__).parent


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_renders_to_its_golden_files(stack: str, request: pytest.FixtureRequest) -> None:
    rendered = render(recorded(stack))
    folder = GOLDEN / stack
    if request.config.getoption("--update-golden"):
        folder.mkdir(exist_ok=True)
        for stale in folder.iterdir():
            stale.unlink()
        for name, text in rendered.items():
            (folder / name).write_text(text)
    golden = {path.name: path.read_text() for path in folder.glob("*")}
    way_out = "read the difference; if it is meant: pytest tests/golden --update-golden"
    assert rendered.keys() == golden.keys(), way_out
    for name, text in rendered.items():
        assert text == golden[name], f"tests/golden/{stack}/{name}: {way_out}"


def test_there_is_no_folder_without_a_stack() -> None:
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(STACKS)
