"""Runs kubectl on our cluster; the person's own KUBECONFIG has no influence."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcluster.credentials import KUBECONFIG
from devcluster.errors import DevClusterError
from devcluster.paths import RUN
from devcluster.toolchain.process import run_logged


class Kubectl:
    """Runs kubectl as the cluster's administrator.

    Args:
        program: path of kubectl.
    """

    def __init__(self, program: Path) -> None:
        self._command = [str(program), f"--kubeconfig={KUBECONFIG}", f"--cache-dir={RUN}/kubectl"]

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line, for the caller to run."""
        return [*self._command, *arguments]

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output.

        Raises:
            DevClusterError: it failed; the text holds kubectl's own words.
        """
        result = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            words = " ".join(arguments)
            msg = f"`kubectl {words}` failed: {result.stderr.strip()}; see `python -m devcluster logs kube-apiserver`"
            raise DevClusterError(msg)
        return result.stdout

    def wait(self, *arguments: str, timeout_seconds: int, waiting: Callable[[str], None]) -> None:
        """Run `kubectl wait` or `kubectl rollout status`.

        Args:
            arguments: of kubectl.
            timeout_seconds: time limit.
            waiting: gets kubectl's last line once a second.

        Raises:
            DevClusterError: the time is over, or it failed; the text holds kubectl's own words.
        """
        run_logged(
            self.command(*arguments, f"--timeout={timeout_seconds}s"),
            title=f"kubectl {' '.join(arguments)}",
            log=RUN / "kubectl-wait.log",
            waiting=waiting,
            environment=os.environ,
            interruptible=True,
        )

    def get(self, *arguments: str) -> dict[str, Any]:
        """Run `kubectl get … --output=json` and return the object or the list; `{}` for an object that is not there."""
        text = self.run("get", *arguments, "--ignore-not-found", "--output=json")
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def apply(self, manifests: str) -> None:
        """Apply manifests on the server's side; take every field that they declare from its other owners."""
        self.run("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests)
