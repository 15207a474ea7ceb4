"""The cluster's files outside its own folders: containerd, CNI plugins and the kubelet have no setting for these.

Their names or contents say that they are ours. Their folders go with them once they are empty.
"""

from collections.abc import Iterable
from pathlib import Path

from devcluster.addresses import CLUSTER_NAME
from devcluster.node import CONTAINERD_STATE, POD_LOGS

SHIM_SOCKETS = Path("/run/containerd/s")
SHIM_ADDRESS_FILES = "io.containerd.runtime.v2.task/*/*/address"
"""Pattern under containerd's own folder; each file holds the socket's path of one container's shim."""

CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOG_LINKS = Path("/var/log/containers")

DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
DEVICE_PLUGIN_FILES = ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION")

FOLDERS = (SHIM_SOCKETS, CNI_RESULTS, CONTAINER_LOG_LINKS, DEVICE_PLUGINS)


def own_files() -> list[Path]:
    """Return the stray files that are there now."""
    sockets = [Path(file.read_text().removeprefix("unix://")) for file in CONTAINERD_STATE.glob(SHIM_ADDRESS_FILES)]
    links = [link for link in CONTAINER_LOG_LINKS.glob("*") if link.is_symlink() and _leads_to_pod_logs(link)]
    plugins = [DEVICE_PLUGINS / name for name in DEVICE_PLUGIN_FILES]
    candidates = [*sockets, *own_cni_results(CNI_RESULTS.glob("*")), *links, *plugins]
    return [path for path in candidates if path.exists() or path.is_symlink()]


def remove() -> None:
    """Remove the stray files, and their folders that are empty then."""
    for path in own_files():
        path.unlink(missing_ok=True)
    for folder in [*FOLDERS, *(folder.parent for folder in FOLDERS)]:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def own_cni_results(results: Iterable[Path]) -> list[Path]:
    """Of files named `<network>-<container>-<interface>`, return those of the containers on our network."""
    every = list(results)
    prefix = f"{CLUSTER_NAME}-"
    containers = {path.name.removeprefix(prefix).rpartition("-")[0] for path in every if path.name.startswith(prefix)}
    return [path for path in every if any(container in path.name for container in containers)]


def _leads_to_pod_logs(link: Path) -> bool:
    return link.readlink().is_relative_to(POD_LOGS)
