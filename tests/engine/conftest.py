"""Fixtures of the engine ring."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.credentials import KUBECONFIG
from tests.support.dev_cluster import Cluster, cluster
from tests.support.provider_stack import ProviderStack

__all__ = ["cluster"]


@pytest.fixture
def stack(cluster: Cluster, tmp_path: Path) -> Iterator[ProviderStack]:  # noqa: ARG001  it only has to be up
    """A stack of bare resources with a namespace of its own, which is deleted with everything in it."""
    made = ProviderStack(tmp_path, KUBECONFIG)
    made.create_namespace()
    yield made
    made.delete_namespace()
