"""Programs of Debian packages for tests: downloaded and unpacked into a folder, never installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.paths import CACHE
from devcluster.progress import Progress
from devcluster.toolchain.store import Store
from testbed.child_process import ProcessError

_PRINTED = re.compile(r"^'\S+' (?P<package>[^_\s]+)_(?P<version>[^_\s]+)_\w+\.deb ", re.MULTILINE)
"""Line of `apt-get install --print-uris`."""


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Download packages with apt-get, and unpack them below `folder`. Their dependencies must be among them.

    Raises:
        ProcessError: this is no Debian, or apt-get cannot reach its packages.
    """
    _check_apt()
    download = ["apt-get", "--quiet", "download", *packages]
    if _run(download, folder).returncode != 0:
        _run(["apt-get", "--quiet", "update"], folder)  # a new machine has no list of packages yet
        again = _run(download, folder)
        if again.returncode != 0:
            msg = f"apt-get download {' '.join(packages)} failed: {again.stderr.strip().splitlines()[-1:]}"
            raise ProcessError(msg)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
        package.unlink()


def unpack_once(name: str, packages: Sequence[str]) -> Path:
    """Return the folder in the cache with these packages and those of their dependencies that this machine lacks.

    Args:
        name: name of the folder, for people.
        packages: names of packages.

    Raises:
        ProcessError: this is no Debian, or apt-get cannot reach its packages.
    """
    store, progress = Store(CACHE / "debian"), Progress(total=1)
    folder = store.directory(name)
    if not folder.exists():
        with store.lock("apt-get", progress.waiting), progress.step(f"unpack Debian's {name}"):
            if not folder.exists():
                with store.publish(folder.name) as unfinished:
                    unpack(_with_dependencies(packages, unfinished), unfinished)
    return folder


def environment(folder: Path) -> Mapping[str, str]:
    """Return the environment in which an unpacked program finds the unpacked libraries."""
    libraries = [*folder.glob("usr/lib/*-linux-gnu"), *folder.glob("usr/lib/*-linux-gnu/pulseaudio")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _with_dependencies(packages: Sequence[str], folder: Path) -> list[str]:
    """Return what apt-get would install, as `package=version`."""
    _check_apt()
    would = ["apt-get", "install", "--print-uris", "--quiet", "--yes", "--no-install-recommends", *packages]
    printed = _run(would, folder)
    if printed.returncode != 0:
        _run(["apt-get", "--quiet", "update"], folder)
        printed = _run(would, folder)
    if printed.returncode != 0:
        msg = f"apt-get finds no {' '.join(packages)}: {printed.stderr.strip().splitlines()[-1:]}"
        raise ProcessError(msg)
    # A package that this machine has is not printed: it is unpacked all the same, since its files are wanted here.
    found = {each["package"]: each["version"].replace("%3a", ":") for each in _PRINTED.finditer(printed.stdout)}
    return [*(f"{package}={version}" for package, version in found.items()), *(set(packages) - set(found))]


def _check_apt() -> None:
    if shutil.which("apt-get") is None:
        msg = "apt-get is not on PATH: these packages are for Debian"
        raise ProcessError(msg)


def _run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
