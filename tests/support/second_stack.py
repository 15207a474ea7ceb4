"""The stack `dev` once more, from a copy of the program, in a namespace of its own and with one server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devcluster.credentials import KUBECONFIG
from devcluster.kubectl import Kubectl
from tests.support.pulumi_cli import PulumiProject, Run, copy_of_the_program, engine_environment, write_override

POOL: Mapping[str, Any] = {
    # The labels of the node are another stack's: this one asks for no product.
    "kind": "kubernetes",
    "name": "node",
    "servers_max": 3,
    "spare_servers": 1,
    "gpu": {},
}
SERVER: Mapping[str, Any] = {"cpu_request_cores": 0.05}
"""The node has two cores, and another stack's tests beside these."""
EXPOSURE: Mapping[str, Any] = {"kind": "cluster-ip", "hostname": None, "port": None}


class SecondStack:
    """A stack of a test.

    Args:
        directory: gets the program.
        kubectl: of the cluster.
        name: of the stack.
    """

    def __init__(self, directory: Path, kubectl: Kubectl, name: str) -> None:
        copy_of_the_program(directory)
        self.name, self.namespace = name, f"sonic-{name}"
        self._kubectl = kubectl
        self._environment = engine_environment(KUBECONFIG)
        self.project = PulumiProject(directory, self._environment, name)

    def configure(self, site: Mapping[str, Any] | None = None, experiment: Mapping[str, Any] | None = None) -> None:
        """Write the stack's file, with these changes of the site and of the experiment."""
        override = {
            "site": {"access": {"namespace": self.namespace}, "exposure": EXPOSURE, "pools": [POOL], **(site or {})},
            "experiment": {
                "scaling": {"servers_min": 1, "servers_max": 1},
                **(experiment or {}),
                "server": {**SERVER, **(experiment or {}).get("server", {})},
            },
        }
        write_override(self.project.directory, self.name, override)

    def available(self) -> dict[str, int]:
        """Return the number of ready pods of each Deployment that clients' calls go through."""
        found = self.get("deployments", "--selector=app.kubernetes.io/component in (envoy,triton)")
        return {each["metadata"]["name"]: int(each["status"].get("availableReplicas", 0)) for each in found}

    def get(self, kinds: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of some kinds in the stack's namespace."""
        listed: list[dict[str, Any]] = self._kubectl.get(kinds, f"--namespace={self.namespace}", *arguments).get(
            "items", []
        )
        return listed

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object as another actor does; one that has a namespace gets the stack's."""
        self._kubectl.run("apply", "--filename=-", f"--namespace={self.namespace}", stdin=json.dumps(manifest))

    def delete(self, kind: str, name: str) -> None:
        """Delete an object as another actor does."""
        self._kubectl.run("delete", kind, name, f"--namespace={self.namespace}")

    def why(self) -> Run:
        """Run `python -m stacks why`; its status is the caller's to judge."""
        command = [sys.executable, "-m", "stacks", "why", self.name]
        run = subprocess.run(
            command,
            cwd=self.project.directory,
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return Run("python -m stacks why", run.returncode, run.stdout)


@contextmanager
def deployed(directory: Path, kubectl: Kubectl, name: str) -> Iterator[SecondStack]:
    """Deploy a stack with one server, and destroy it afterwards."""
    stack = SecondStack(directory, kubectl, name)
    stack.configure()
    stack.project.up()
    yield stack
    stack.project.run("state", "unprotect", "--all", "--yes")
    stack.project.destroy()
