"""The Triton of its image on this machine itself, for tests and benchmarks without a cluster."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from devcluster.images.build import build, image_key, provide_inputs
from devcluster.images.build_cache import build_once
from devcluster.images.catalog import TRITON
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain


def triton_root(toolchain: Toolchain, progress: Progress) -> Path:
    """Return the root file system of the Triton image as a folder, for `chroot_command`.

    Raises:
        DevClusterError: it cannot be built.
    """
    inputs = provide_inputs(TRITON, toolchain, progress)

    def make(directory: Path) -> None:
        toolchain.ensure(["buildah"], progress)
        root = directory / "root"
        build(TRITON, inputs, f"--output=type=local,dest={root}", directory, progress.waiting)
        root.chmod(0o755)  # buildah leaves it closed to all but root

    return build_once("triton-root", image_key(TRITON, inputs), progress.waiting, make) / "root"


def chroot_command(
    root: Path,
    command: Sequence[str],
    *,
    uid: int,
    environment: dict[str, str],
    folders: Mapping[str, Path] = MappingProxyType({}),
    shared_memory_mib: int = 64,
    scratch_mib: int | None = None,
) -> list[str]:
    """Return a command line that runs a program of a root file system as in a pod, but on this machine's network.

    The root is read-only; /tmp and /dev/shm are writable and empty. All mounts end with the process, which is the
    program itself: it gets the signals. Only root can run it.

    Args:
        root: such as `triton_root` returns.
        command: the program and its arguments, by their paths inside the root.
        uid: user and group of the program.
        environment: its whole environment.
        folders: folders of this machine, mounted read-only, by an absolute path that exists in the root.
        shared_memory_mib: size of /dev/shm; by default a pod's.
        scratch_mib: size of /tmp; by default half of this machine's memory.
    """
    scratch = "mode=1777" if scratch_mib is None else f"size={scratch_mib}m,mode=1777"
    mounts = [
        ["--bind", "-o", "ro", str(root), str(root)],
        ["--rbind", "/dev", str(root / "dev")],
        ["-t", "tmpfs", "-o", f"size={shared_memory_mib}m,mode=1777", "shm", str(root / "dev" / "shm")],
        ["-t", "tmpfs", "-o", scratch, "tmp", str(root / "tmp")],
        ["-t", "proc", "proc", str(root / "proc")],
        *(["--bind", "-o", "ro", str(folder), f"{root}{path}"] for path, folder in folders.items()),
    ]
    setup = " && ".join(shlex.join(["mount", *arguments]) for arguments in mounts)
    variables = [f"{name}={value}" for name, value in environment.items()]
    program = shlex.join(["chroot", f"--userspec={uid}:{uid}", str(root), "/usr/bin/env", "-i", *variables, *command])
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", f"{setup} && exec {program}"]
