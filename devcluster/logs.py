"""`logs PART` prints the log of a process, or of the pods of a Deployment."""

import os

from devcluster.addresses import API_HEALTH_URL
from devcluster.errors import DevClusterError
from devcluster.health import answers
from devcluster.kubectl import Kubectl
from devcluster.supervisor import LOGS, log_of
from devcluster.toolchain import Toolchain

SHOWN_LINES = 200


def show(part: str, *, follow: bool, toolchain: Toolchain) -> None:
    """Replace this process by one that prints the last 200 lines of a log.

    Args:
        part: name of a process, or of a Deployment in any namespace.
        follow: go on with new lines.
        toolchain: provides kubectl.

    Raises:
        DevClusterError: there is no such part; the text lists all.
    """
    commands = {
        path.stem: ["tail", f"--lines={SHOWN_LINES}", *(["--follow=name"] if follow else []), str(log_of(path.stem))]
        for path in sorted(LOGS.glob("*.log"))
    }
    if part not in commands and answers(API_HEALTH_URL):
        kubectl = Kubectl(toolchain.path("kubectl"))
        options = ["--all-pods", "--all-containers", "--prefix", f"--tail={SHOWN_LINES}", f"--follow={follow}".lower()]
        for deployment in kubectl.get("deployments", "--all-namespaces")["items"]:
            name, namespace = (deployment["metadata"][key] for key in ("name", "namespace"))
            commands[name] = kubectl.command("logs", f"--namespace={namespace}", f"deployment/{name}", *options)
    if part not in commands:
        problem = f"there is no part {part!r} with a log" if part else "say whose log"
        known = ", ".join(commands) or "none, the cluster is down: `make up` starts it"
        msg = f"{problem}; the parts are: {known}"
        raise DevClusterError(msg)
    os.execvp(commands[part][0], commands[part])  # noqa: S606  no shell is wanted
