"""Fixtures of the live ring."""

import pytest

from tests.loopback.conftest import envoy, server_port, started
from tests.support.dev_cluster import cluster

__all__ = ["cluster", "envoy", "server_port", "started"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the cluster away comes after all that needs it."""
    items.sort(key=lambda item: item.path.name == "test_down.py")
