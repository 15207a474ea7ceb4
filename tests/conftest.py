"""Fixtures of every ring."""

import pytest
from hypothesis import settings

from tests.support.recorder import Recorder

settings.register_profile("sonic", deadline=None)  # how long an example takes says more of the machine than of us
settings.load_profile("sonic")

SLURM = "slurm"
LONGEST = (SLURM, "test_failed_rollout.py", "test_scaling_taken_over.py")
"""Groups that take more than seven minutes: they come first, so that both workers end at about the same time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the golden files anew instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what the program renders")


@pytest.fixture
def recorder() -> Recorder:
    """A fresh recording monitor."""
    return Recorder()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`, one worker runs what shares a stack: a file's tests, and those of Slurm."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: [*LONGEST, _group(item)].index(_group(item)))


def _group(item: pytest.Item) -> str:
    return SLURM if item.get_closest_marker(SLURM) else item.path.name
