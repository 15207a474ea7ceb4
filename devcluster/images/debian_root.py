"""Debian's root file system: the base of the images that need a C library and a shell."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from devcluster.images.build_cache import Waiting, build_once, run
from devcluster.toolchain.store import key_of

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    # Triton's python backend links libpython3.11, and finds its modules relative to the python3 on PATH.
    "libpython3.11",
    "python3-minimal",
)
ARCHIVE = "rootfs.tar"

_LEFT_OUT = (
    *("etc/hostname", "etc/resolv.conf"),  # debootstrap copies this machine's
    *("var/cache/apt", "var/lib/apt/lists", "var/log"),
    *("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"),
)


def ensure_root(further: Sequence[str], waiting: Waiting) -> Path:
    """Return the folder that holds Debian's root file system as `rootfs.tar`; make it if it is not there.

    Args:
        further: packages besides those of every image.
        waiting: gets progress once a second.

    Raises:
        DevClusterError: debootstrap failed.
    """
    packages = (*PACKAGES, *further)
    key = key_of({"suite": SUITE, "packages": packages, "left out": _LEFT_OUT})

    def make(directory: Path) -> None:
        root = directory / "root"
        run(_debootstrap(root, packages), title="debootstrap", log=f"debian-{key}", waiting=waiting)
        for path in (root / name for name in _LEFT_OUT):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        _archive(root, directory / ARCHIVE)
        shutil.rmtree(root)

    return build_once("debian", key, waiting, make)


def _debootstrap(root: Path, packages: Sequence[str]) -> list[str]:
    included = f"--include={','.join(packages)}"
    return ["debootstrap", "--variant=minbase", included, SUITE, str(root), *_mirror_of_this_machine()]


def _mirror_of_this_machine() -> list[str]:
    """Return the mirror that apt is set to use for the suite; if none, debootstrap has its own default."""
    command = ["apt-get", "indextargets", "--format=$(REPO_URI)", f"Codename: {SUITE}", "Component: main"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()[:1]


def _archive(root: Path, archive: Path) -> None:
    """Archive a root file system with names in order and times at zero: the same files give the same archive."""
    reproducible = ("--sort=name", "--mtime=@0", "--numeric-owner")
    subprocess.run(["tar", *reproducible, f"--directory={root}", f"--file={archive}", "--create", "."], check=True)
