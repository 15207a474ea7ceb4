"""Imports our images into containerd's store, where the kubelet finds them without any registry."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.node import CONTAINERD_SOCKET
from devcluster.progress import Progress

ARCHIVE_LABEL = "sonic-dev/archive"
"""Image label in containerd with the identity of the image's archive."""


class ImageStore:
    """containerd's images in the namespace that the kubelet uses.

    Args:
        ctr: path of containerd's client.
    """

    def __init__(self, ctr: Path) -> None:
        self._command = [str(ctr), f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images"]

    def import_missing(self, archives: Mapping[str, Path], progress: Progress) -> None:
        """Import each image that is missing or came from another archive.

        Args:
            archives: docker-archive file by image reference.
            progress: gets the image that is being imported.

        Raises:
            DevClusterError: containerd refused one.
        """
        present = parse_archives(self._run("list"))
        for reference, archive in archives.items():
            if present.get(reference) != _identity(archive):
                progress.waiting(f"{reference} to be imported")
                self._run("import", str(archive))
                self._run("label", reference, f"{ARCHIVE_LABEL}={_identity(archive)}")

    def _run(self, *arguments: str) -> str:
        result = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
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


def _identity(archive: Path) -> str:
    status = archive.stat()
    return f"{archive.name}:{status.st_size}:{status.st_mtime_ns}"
