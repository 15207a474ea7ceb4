"""The real Triton of the development image as its pod runs it: read-only root, uid 1000. Only root can start it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from devcluster.images import chroot_command, triton_root
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from testbed.child_process import Process

MODELS_FOLDER = "/mnt"
"""Path of the model repository for Triton."""

_ENVIRONMENT = {"PATH": "/opt/tritonserver/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/opt/tritonserver/lib"}
_USER_ID = 1000


def copy_models(directory: Path, *models: Path) -> Path:
    """Copy model folders into a repository that Triton's user may read, and return it."""
    for model in models:
        shutil.copytree(model, directory / model.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return directory


def start_triton(
    flags: Sequence[str],
    *,
    log: Path,
    models: Path | None = None,
    root: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    shared_memory_mib: int = 64,
    scratch_mib: int | None = None,
    core: int | None = None,
) -> Process:
    """Start Triton, which takes 3 to 5 s until it is ready.

    Args:
        flags: command line.
        log: gets its output.
        models: folder that Triton sees as `MODELS_FOLDER`.
        root: root file system of the image; by default it is built if it is not there.
        environment: variables besides the paths of its programs and libraries.
        shared_memory_mib: size of /dev/shm; by default a pod's.
        scratch_mib: size of /tmp; by default half of this machine's memory.
        core: the one CPU that it may use; None: all.

    Raises:
        DevClusterError: the image cannot be built.
    """
    command = chroot_command(
        root or triton_root(Toolchain(), Progress(total=1)),
        ["tritonserver", *flags],
        uid=_USER_ID,
        environment={**_ENVIRONMENT, **environment},
        folders={MODELS_FOLDER: models} if models else {},
        shared_memory_mib=shared_memory_mib,
        scratch_mib=scratch_mib,
    )
    return Process(command, log=log, core=core)
