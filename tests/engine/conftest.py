"""Fixtures of the engine ring."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dev_cluster import Cluster, cluster
from tests.support.plugin_stack import PluginStack

__all__ = ["cluster"]


@pytest.fixture
def stack(cluster: Cluster, tmp_path: Path) -> Iterator[PluginStack]:
    """A stack of bare resources with a namespace of its own, which is deleted with everything in it."""
    made = PluginStack(tmp_path, cluster.kubectl)
    cluster.kubectl.run("create", "namespace", made.namespace)
    yield made
    made.delete("namespace", made.namespace)
