"""Files that parts of the cluster put outside its folders, whatever their configuration says, among those of others.

Files are known to be ours by name or content. A folder goes when it is empty and was not there before the first `up`.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from devcluster.addresses import CLUSTER_NAME
from devcluster.files import write
from devcluster.node import CONTAINERD_STATE, POD_LOGS
from devcluster.paths import STATE

SHIM_SOCKETS = Path("/run/containerd/s")
SHIM_ADDRESS_FILES = "io.containerd.runtime.v2.task/*/*/address"
"""Under containerd's own folder: the files that say which of the sockets is of which container."""

CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOG_LINKS = Path("/var/log/containers")

DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
DEVICE_PLUGIN_FILES = ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION")

FOLDERS = (SHIM_SOCKETS, CNI_RESULTS, CONTAINER_LOG_LINKS, DEVICE_PLUGINS)
RECORD = STATE / "folders-not-ours.json"


def record_folders() -> None:
    """Write down, once, which folders are there before the cluster is."""
    if not RECORD.exists():
        present = [str(folder) for folder in _with_parents(FOLDERS) if folder.exists()]
        write(RECORD, json.dumps(present, indent=2))


def own_files() -> list[Path]:
    """Files outside the cluster's folders that are ours."""
    sockets = [Path(file.read_text().removeprefix("unix://")) for file in CONTAINERD_STATE.glob(SHIM_ADDRESS_FILES)]
    plugins = [DEVICE_PLUGINS / name for name in DEVICE_PLUGIN_FILES]
    links = [path for path in _entries(CONTAINER_LOG_LINKS) if path.is_symlink() and _leads_to_pod_logs(path)]
    candidates = [*sockets, *own_cni_results(_entries(CNI_RESULTS)), *links, *plugins]
    return [path for path in candidates if path.exists() or path.is_symlink()]


def remove() -> None:
    """Remove our files, and the folders that came with them."""
    for path in own_files():
        path.unlink(missing_ok=True)
    if RECORD.exists():
        not_ours = {Path(name) for name in json.loads(RECORD.read_text())}
        for folder in _with_parents(FOLDERS):
            if folder.exists() and folder not in not_ours and not _entries(folder):
                folder.rmdir()


def own_cni_results(results: Iterable[Path]) -> list[Path]:
    """Of files named `<network>-<container>-<interface>`, those of the containers on our network."""
    every = list(results)
    prefix = f"{CLUSTER_NAME}-"
    containers = {path.name.removeprefix(prefix).rpartition("-")[0] for path in every if path.name.startswith(prefix)}
    return [path for path in every if any(container in path.name for container in containers)]


def _leads_to_pod_logs(link: Path) -> bool:
    return link.readlink().is_relative_to(POD_LOGS)


def _with_parents(folders: Iterable[Path]) -> list[Path]:
    """The folders and the folders that hold them, but for the root and what stands right under it; deepest first."""
    every = {place for folder in folders for place in [folder, *folder.parents] if len(place.parts) > 2}
    return sorted(every, key=lambda place: len(place.parts), reverse=True)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
