"""`logs PART`: the log of a process, or of the pods of a Deployment."""

import os

from devcluster.addresses import API_HEALTH_URL
from devcluster.errors import DevClusterError
from devcluster.health import answers
from devcluster.kubectl import Kubectl
from devcluster.supervisor import LOGS, log_of
from devcluster.toolchain import Toolchain

SHOWN_LINES = 200


def show(part: str, *, follow: bool, toolchain: Toolchain) -> None:
    """Replace this process by the one that prints the log, its last 200 lines first.

    Args:
        part: name of a process, or of a Deployment in any namespace.
        follow: go on printing what comes.
        toolchain: to find kubectl with.

    Raises:
        DevClusterError: there is no such part; the text lists them all.
    """
    own_logs = sorted(path.stem for path in LOGS.glob("*.log"))
    if part in own_logs:
        command = ["tail", f"--lines={SHOWN_LINES}", *(["--follow=name"] if follow else []), str(log_of(part))]
    else:
        command = _kubectl_logs(part, own_logs, follow=follow, toolchain=toolchain)
    os.execvp(command[0], command)  # noqa: S606  no shell is wanted


def _kubectl_logs(part: str, own_logs: list[str], *, follow: bool, toolchain: Toolchain) -> list[str]:
    namespaces: dict[str, str] = {}
    if answers(API_HEALTH_URL):
        kubectl = Kubectl(toolchain.path("kubectl"))
        for deployment in kubectl.get("deployments", "--all-namespaces").get("items", []):
            namespaces[deployment["metadata"]["name"]] = deployment["metadata"]["namespace"]
    if part not in namespaces:
        known = ", ".join([*own_logs, *sorted(namespaces)]) or "none, the cluster is down: `make up` starts it"
        what = f"there is no part {part!r} with a log" if part else "say whose log"
        msg = f"{what}; the parts are: {known}"
        raise DevClusterError(msg)
    options = ["--all-pods", "--all-containers", "--prefix", f"--tail={SHOWN_LINES}", *(["--follow"] if follow else [])]
    return kubectl.command("logs", f"--namespace={namespaces[part]}", f"deployment/{part}", *options)
