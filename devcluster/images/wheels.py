"""Unpacks programs and modules from Python wheels; nothing is installed on this machine."""

import sys
from pathlib import Path

from devcluster.images.build_cache import Waiting, build_once, run
from devcluster.images.catalog import Image
from devcluster.toolchain.store import key_of

_PIP_OPTIONS = (
    # Triton's python backend runs the Python of Debian bookworm, whatever Python runs us.
    *("--python-version=3.11", "--only-binary=:all:", "--no-deps"),
    *("--require-hashes", "--no-cache-dir", "--progress-bar=off"),
)


def ensure_wheels(image: Image, waiting: Waiting) -> Path:
    """Return the folder with an image's wheels unpacked side by side; fetch them if it is not there.

    pip uses the index that this machine is set up for; the hashes in the requirements decide what it accepts.

    Args:
        image: one that has requirements.
        waiting: gets progress once a second.

    Raises:
        DevClusterError: pip failed.
    """
    name = f"{image.name}-wheels"
    key = key_of({"requirements": image.requirements.read_text(), "options": _PIP_OPTIONS})
    pip = [sys.executable, "-m", "pip", "install", *_PIP_OPTIONS, f"--requirement={image.requirements}"]

    def make(directory: Path) -> None:
        run([*pip, f"--target={directory}"], title=f"pip for {image.name}", log=f"{name}-{key}", waiting=waiting)

    return build_once(name, key, waiting, make)
