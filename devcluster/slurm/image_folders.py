"""Images of the catalog as folders for the container runtime of the jobs, of the same files."""

import re
import subprocess
from pathlib import Path

from devcluster.images.build_cache import build_once
from devcluster.images.catalog import TRITON
from devcluster.images.host import triton_root
from devcluster.progress import Progress
from devcluster.slurm.folders import IMAGES
from devcluster.toolchain import Toolchain
from devcluster.toolchain.store import key_of

MOUNT_POINTS = ("cvmfs", "models")
"""Charliecloud, unlike apptainer, makes none."""

_FORM = 1
"""Number of the form of these folders: another one makes them again."""


def ensure_triton_folder(toolchain: Toolchain, progress: Progress) -> None:
    """Put Triton's image where jobs look for it by its reference.

    Raises:
        DevClusterError: it cannot be built.
    """
    root = triton_root(toolchain, progress)
    containerfile = TRITON.containerfile.read_text()

    def make(directory: Path) -> None:
        folder = directory / "root"
        subprocess.run(["cp", "--archive", "--link", root, folder], check=True)
        for name in MOUNT_POINTS:
            (folder / name).mkdir(exist_ok=True)
        metadata = folder / ".singularity.d"
        (metadata / "env").mkdir(parents=True)
        (metadata / "env" / "10-docker2singularity.sh").write_text(environment_script(containerfile))
        (metadata / "runscript").write_text(run_script(containerfile))
        (metadata / "runscript").chmod(0o755)

    key = key_of({"root": root.parent.name, "containerfile": containerfile, "mounts": MOUNT_POINTS, "form": _FORM})
    folder = build_once("triton-folder", key, progress.waiting, make) / "root"
    link = IMAGES / TRITON.reference
    if not link.is_symlink() or link.readlink() != folder:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)


def environment_script(containerfile: str) -> str:
    """Return the image's variables as apptainer keeps them: PATH is the image's, others give way to the host's."""
    lines = []
    for name, value in re.findall(r"^ENV (\w+)=(\S+)$", containerfile, re.MULTILINE):
        lines.append(f'export {name}="{value}"' if name == "PATH" else f'export {name}="${{{name}:-"{value}"}}"')
    return "".join(f"{line}\n" for line in lines)


def run_script(containerfile: str) -> str:
    """Return the script of `apptainer run`: the image's entry point."""
    (words,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", containerfile, re.MULTILINE)
    return f'#!/bin/sh\nexec {words.replace(",", " ")} "$@"\n'
