"""Fixtures of every ring."""

import pytest
from hypothesis import settings

from tests.support.recorder import Recorder

settings.register_profile("sonic", deadline=None)  # how long an example takes says more of the machine than of us
settings.load_profile("sonic")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the golden files anew instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what the program renders")


@pytest.fixture
def recorder() -> Recorder:
    """A fresh recording monitor."""
    return Recorder()
