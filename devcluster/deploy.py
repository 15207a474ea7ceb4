"""The stack `dev` on the cluster: deploy it, check it, take it away; by the commands that a person would type."""

import os
import subprocess
import sys
from collections.abc import Callable

from devcluster import environment
from devcluster.addresses import API_URL
from devcluster.errors import DevClusterError
from devcluster.health import answers
from devcluster.paths import CHECKOUT
from devcluster.progress import Progress
from devcluster.supervisor import LOGS
from devcluster.toolchain import Toolchain
from devcluster.toolchain.process import run_logged

STACK = "dev"
DEPLOY_STEPS = 1


def deploy(toolchain: Toolchain, progress: Progress) -> None:
    """Bring the stack to what this checkout says, with `pulumi up`.

    Raises:
        DevClusterError: Pulumi failed; the text ends with what it said last.
    """
    variables = environment.variables(toolchain)
    environment.PULUMI_STATE.mkdir(parents=True, exist_ok=True)
    with progress.step(f"deploy the stack: pulumi up --stack {STACK}"):
        _pulumi(["stack", "select", "--create", STACK], variables, progress.waiting)
        _pulumi(["up", "--yes", "--skip-preview", "--stack", STACK], variables, progress.waiting)


def check(toolchain: Toolchain) -> None:
    """Speak to the stack as a client would, and show the table of what was right and wrong.

    Raises:
        DevClusterError: not every row of the table is right.
    """
    variables = {**os.environ, **environment.variables(toolchain)}
    result = subprocess.run([sys.executable, "-m", "checks", STACK], cwd=CHECKOUT, env=variables, check=False)
    if result.returncode != 0:
        msg = (
            f"the stack {STACK} is deployed but does not answer as it should: see the table above, "
            "`python -m devcluster status`, and `python -m devcluster logs PART`"
        )
        raise DevClusterError(msg)


def destroy(toolchain: Toolchain, waiting: Callable[[str], None]) -> None:
    """Take the stack away through the API server; does nothing where there is no stack or no API server.

    What the stack protects (the model repository) goes too: on this cluster it is a copy of what the checkout holds.
    """
    if not environment.PULUMI_STATE.exists() or not answers(f"{API_URL}/readyz"):
        return
    variables = environment.variables(toolchain)
    stacks = subprocess.run(
        ["pulumi", "stack", "ls", "--json"],
        cwd=CHECKOUT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if f'"{STACK}"' in stacks:
        _pulumi(["state", "unprotect", "--all", "--yes", "--stack", STACK], variables, waiting)
        _pulumi(["destroy", "--yes", "--skip-preview", "--stack", STACK], variables, waiting)


def _pulumi(arguments: list[str], variables: dict[str, str], waiting: Callable[[str], None]) -> None:
    run_logged(
        ["pulumi", *arguments, "--non-interactive", "--color=never"],
        title=f"pulumi {' '.join(arguments[:2])}",
        log=LOGS / "pulumi.log",
        waiting=waiting,
        environment={**os.environ, **variables},
        interruptible=False,  # Pulumi that is killed leaves its stack locked, and objects that it does not know of
        directory=CHECKOUT,
    )
