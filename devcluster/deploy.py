"""Deployment, acceptance check and removal of the stack `dev`, by the commands that a person would type."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from devcluster import environment, pulumi_recovery
from devcluster.addresses import API_HEALTH_URL, KUBELET_HEALTH_URL
from devcluster.errors import DevClusterError
from devcluster.health import answers
from devcluster.kubectl import Kubectl
from devcluster.paths import CHECKOUT
from devcluster.progress import Progress
from devcluster.supervisor import log_of
from devcluster.toolchain import Toolchain
from devcluster.toolchain.process import run_logged
from devcluster.wait import wait_while
from stacks.resolve import resolve

STACK = "dev"
DEPLOY_STEPS = 3
SERVERS_TIMEOUT_SECONDS = 300.0
PULUMI_TOOLS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", environment.PLUGIN)
QUIETLY = ("--non-interactive", "--color=never")
WITHOUT_DOTS = "--suppress-progress"


def deploy(toolchain: Toolchain, progress: Progress) -> None:
    """Deploy this checkout with `pulumi up`, also after an update that was killed.

    Raises:
        DevClusterError: Pulumi failed; the text ends with its error.
    """
    kubectl = Kubectl(toolchain.path("kubectl"))
    with progress.step(f"deploy the stack: pulumi up --stack {STACK}"):
        toolchain.ensure(PULUMI_TOOLS, progress)
        environment.PULUMI_STATE.mkdir(parents=True, exist_ok=True)
        pulumi = Pulumi(environment.variables(toolchain), progress.waiting)
        pulumi.run("stack", "select", "--create", STACK)
        pulumi.recover(kubectl)
        pulumi.run("up", "--yes", "--skip-preview", WITHOUT_DOTS, f"--stack={STACK}")
        # An update without a change waits for nothing, and the pods of a restarted cluster are new.
        namespace = resolve(STACK).config.namespace
        wait_while(
            lambda: _missing_pods(kubectl, namespace),
            timeout_seconds=SERVERS_TIMEOUT_SECONDS,
            interval_seconds=1,
            waiting=progress.waiting,
            hint=f"`make shell`, then `python -m stacks why {STACK}` says why",
        )


def _missing_pods(kubectl: Kubectl, namespace: str) -> str:
    """Return a sentence on a Deployment without all its pods; empty if there is none."""
    for deployment in kubectl.get("deployments", f"--namespace={namespace}")["items"]:
        name, wanted = deployment["metadata"]["name"], deployment["spec"]["replicas"]
        available = deployment.get("status", {}).get("availableReplicas", 0)
        if available < wanted:
            return f"the pods of {namespace}/{name}: {available} of {wanted} are available"
    return ""


def wait_for_servers(toolchain: Toolchain, progress: Progress) -> None:
    """Wait until KEDA has scaled each pool from one server to its minimum.

    Raises:
        DevClusterError: servers are missing after 5 min.
    """
    kubectl = Kubectl(toolchain.path("kubectl"))
    with progress.step("wait for the minimum of servers"):
        wait_while(
            lambda: _missing_servers(kubectl),
            timeout_seconds=SERVERS_TIMEOUT_SECONDS,
            interval_seconds=1,
            waiting=progress.waiting,
            hint="`make shell`, then `kubectl describe scaledobject,hpa,pods --namespace NAMESPACE` says why",
        )


def _missing_servers(kubectl: Kubectl) -> str:
    """Return a sentence on a pool below its minimum; empty if there is none."""
    for scaled_object in kubectl.get("scaledobjects", "--all-namespaces")["items"]:
        namespace, spec = scaled_object["metadata"]["namespace"], scaled_object["spec"]
        name, wanted = spec["scaleTargetRef"]["name"], spec.get("minReplicaCount", 0)
        deployment = kubectl.get("deployment", name, f"--namespace={namespace}")
        available = deployment.get("status", {}).get("availableReplicas", 0)
        if available < wanted:
            return f"the servers of {namespace}/{name}: {available} of at least {wanted} are available"
    return ""


def check(toolchain: Toolchain, progress: Progress) -> None:
    """Run the acceptance check, which prints its table.

    Raises:
        DevClusterError: a row of the table failed.
    """
    variables = {**os.environ, **environment.variables(toolchain)}
    with progress.step(f"ask the servers as a client would: python -m acceptance {STACK}"):
        result = subprocess.run([sys.executable, "-m", "acceptance", STACK], cwd=CHECKOUT, env=variables, check=False)
    if result.returncode != 0:
        msg = (
            f"the stack {STACK} is deployed but does not answer as it should: see the table above, "
            "`python -m devcluster status`, and `python -m devcluster logs PART`"
        )
        raise DevClusterError(msg)


def destroy(toolchain: Toolchain, progress: Progress) -> None:
    """Destroy the stack with Pulumi; do nothing without a stack or a cluster that answers.

    What the stack protects (the model repository) goes too: on this cluster it is a copy of what the checkout holds.

    Raises:
        DevClusterError: Pulumi failed; the text ends with what it said about it.
    """
    if not environment.PULUMI_STATE.exists() or not all(answers(url) for url in (API_HEALTH_URL, KUBELET_HEALTH_URL)):
        return
    pulumi = Pulumi(environment.variables(toolchain), progress.waiting)
    if STACK in {stack["name"].rpartition("/")[2] for stack in json.loads(pulumi.output("stack", "ls", "--json"))}:
        pulumi.recover(Kubectl(toolchain.path("kubectl")))
        pulumi.run("state", "unprotect", "--all", "--yes", f"--stack={STACK}")
        pulumi.run("destroy", "--yes", "--skip-preview", WITHOUT_DOTS, f"--stack={STACK}")


class Pulumi:
    """Runs Pulumi on a checkout.

    Args:
        variables: environment variables that name the cluster.
        waiting: called once a second with the present step.
        directory: folder of the program.
    """

    def __init__(
        self, variables: Mapping[str, str], waiting: Callable[[str], None], *, directory: Path = CHECKOUT
    ) -> None:
        self._environment = {**os.environ, **variables}
        self._waiting = waiting
        self._directory = directory

    def recover(self, kubectl: Kubectl) -> None:
        """Remove locks and half-created objects that a killed update left."""
        pulumi_recovery.clear_locks(STACK, self._waiting)
        export = json.loads(self.output("stack", "export", f"--stack={STACK}"))
        if pulumi_recovery.delete_half_created(export, kubectl):
            self.run("refresh", "--yes", "--skip-preview", WITHOUT_DOTS, "--clear-pending-creates", f"--stack={STACK}")

    def output(self, *arguments: str) -> str:
        """Return the output of a quick command.

        Raises:
            DevClusterError: Pulumi failed; the text holds its own error.
        """
        result = subprocess.run(
            ["pulumi", *arguments, *QUIETLY],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            msg = f"`pulumi {' '.join(arguments)}` failed: {result.stderr.strip()}"
            raise DevClusterError(msg)
        return result.stdout

    def run(self, *arguments: str) -> None:
        """Run a command that may take long; `make logs PART=pulumi` shows its output.

        Raises:
            DevClusterError: Pulumi failed; the text ends with its diagnostics.
        """
        log = log_of("pulumi")
        try:
            run_logged(
                ["pulumi", *arguments, *QUIETLY],
                title=f"pulumi {arguments[0]}",
                log=log,
                waiting=self._waiting,
                environment=self._environment,
                interruptible=False,  # a Pulumi that is killed leaves what `recover` is for
                directory=self._directory,
            )
        except DevClusterError as error:
            said = errors_in(log.read_text())
            if not said:
                raise
            msg = f"`pulumi {' '.join(arguments)}` failed; its whole log is {log}:\n{said}"
            raise DevClusterError(msg) from error


def errors_in(log: str) -> str:
    """Return the errors in Pulumi's diagnostics, one a line; empty if there are none."""
    _, _, diagnostics = log.partition("\nDiagnostics:\n")
    return "\n".join(line.strip() for line in diagnostics.splitlines() if line.strip().startswith("error: "))
