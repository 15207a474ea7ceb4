"""The development cluster for the rings that need a real one."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from devcluster.kubectl import Kubectl
from devcluster.lifecycle import LATER_TOOLS, NODE_TOOLS
from devcluster.paths import CHECKOUT
from devcluster.preflight import objections
from devcluster.toolchain import Toolchain

COMMAND_TIMEOUT_SECONDS = 3600
"""A cluster that starts from nothing is built first."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster, up at the start of the session.

    Args:
        kubectl: as its administrator.
    """

    kubectl: Kubectl

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m devcluster …` to its end; its status is the caller's to judge."""
        return subprocess.run(
            command_line(*arguments),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )


def command_line(*arguments: str) -> list[str]:
    """`python -m devcluster …`, by the Python that runs the tests."""
    return [sys.executable, "-m", "devcluster", *arguments]


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Bring the cluster up unless it is; where the machine cannot run it, CI fails and a person's run skips."""
    toolchain = Toolchain()
    reasons = list(objections(toolchain, [*NODE_TOOLS, *LATER_TOOLS]))
    if reasons:
        told = "no development cluster on this machine: " + "; ".join(reasons)
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    result = subprocess.run(command_line("up", "--cluster-only"), cwd=CHECKOUT, check=False)
    if result.returncode != 0:
        pytest.fail("`python -m devcluster up --cluster-only` failed: see its output above")
    return Cluster(kubectl=Kubectl(Toolchain().path("kubectl")))
