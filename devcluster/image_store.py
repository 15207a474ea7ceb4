"""Imports our images into containerd's store, where the kubelet finds them without any registry."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.node import CONTAINERD_SOCKET
from devcluster.progress import Progress

ARCHIVE_LABEL = "sonic-dev/archive"
"""Image label in containerd with the identity of the image's archive."""


def import_missing(ctr: Path, archives: Mapping[str, Path], progress: Progress) -> None:
    """Import each image that is missing in the kubelet's namespace or came from another archive.

    Args:
        ctr: path of containerd's client.
        archives: docker-archive file by image reference.
        progress: gets the image that is being imported.

    Raises:
        DevClusterError: containerd refused one.
    """
    present = parse_archives(_images(ctr, "list"))
    for reference, archive in archives.items():
        status = archive.stat()
        identity = f"{archive.name}:{status.st_size}:{status.st_mtime_ns}"
        if present.get(reference) != identity:
            progress.waiting(f"{reference} to be imported")
            _images(ctr, "import", str(archive))
            _images(ctr, "label", reference, f"{ARCHIVE_LABEL}={identity}")


def _images(ctr: Path, *arguments: str) -> str:
    command = [str(ctr), f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        msg = (
            f"containerd refused `images {' '.join(arguments)}`: {result.stderr.strip()}; "
            "see `python -m devcluster logs containerd`"
        )
        raise DevClusterError(msg)
    return result.stdout


def parse_archives(listing: str) -> dict[str, str]:
    """Return the archive's identity of each image of ours, by reference, from the output of `ctr images list`.

    Its first column is the reference, its last the labels.
    """
    found: dict[str, str] = {}
    for line in listing.splitlines()[1:]:
        reference, *_, labels = line.split()
        named = dict(label.split("=", 1) for label in labels.split(",") if "=" in label)
        if ARCHIVE_LABEL in named:
            found[reference] = named[ARCHIVE_LABEL]
    return found
