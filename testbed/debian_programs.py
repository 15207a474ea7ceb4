"""Programs of Debian packages for tests: downloaded and unpacked into a folder, never installed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.child_process import ProcessError


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Download packages with apt-get, and unpack them below `folder`. Their dependencies must be among them.

    Raises:
        ProcessError: this is no Debian, or apt-get cannot reach its packages.
    """
    if shutil.which("apt-get") is None:
        msg = "apt-get is not on PATH: these packages are for Debian"
        raise ProcessError(msg)
    download = ["apt-get", "--quiet", "download", *packages]
    if _run(download, folder).returncode != 0:
        _run(["apt-get", "--quiet", "update"], folder)  # a new machine has no list of packages yet
        again = _run(download, folder)
        if again.returncode != 0:
            msg = f"apt-get download {' '.join(packages)} failed: {again.stderr.strip().splitlines()[-1:]}"
            raise ProcessError(msg)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)


def environment(folder: Path) -> Mapping[str, str]:
    """Return the environment in which an unpacked program finds the unpacked libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(str(each) for each in folder.glob("usr/lib/*-linux-gnu"))}


def _run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
