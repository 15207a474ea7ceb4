"""A folder of finished builds: each appears whole under its key, or not at all."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from devcluster.errors import DevClusterError

KEY_DIGITS = 16
_UNFINISHED = ".building-"


def key_of(inputs: Mapping[str, object]) -> str:
    """The key of a build: a digest of everything that decides its result.

    Args:
        inputs: JSON values by name; their order does not matter.
    """
    text = json.dumps(inputs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


class Store:
    """Finished builds as `<root>/<name>/`, where the name ends with the build's key.

    Args:
        root: made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, name: str) -> Path:
        """Where this build is, or will be, once finished."""
        return self.root / name

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """Give a new empty folder to build in; it takes its place in one rename when the block succeeds.

        Must be called under `lock`, which is what makes every unfinished folder found here one that a killed
        run left: they are removed.
        """
        for leftover in self.root.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        unfinished = self.root / f"{_UNFINISHED}{name}"
        unfinished.mkdir()
        try:
            yield unfinished
            _write_through(unfinished)
            unfinished.rename(self.directory(name))
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    @contextmanager
    def lock(self, purpose: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Keep other runs, and other threads of this one, from the same work; ends with the process at worst.

        Args:
            purpose: names the lock; different purposes do not exclude each other.
            waiting: told once a second what is awaited, while another run holds the lock.

        Raises:
            DevClusterError: the folder cannot be written.
        """
        path = self.root / f".{purpose}.lock"
        with self._open(path) as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waiting(f"another run, which holds {path}")
                    time.sleep(1)
            yield

    def _open(self, path: Path) -> TextIO:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            return path.open("w")
        except OSError as error:
            message = f"cache {self.root}: {error.strerror}; make it writable or set SONIC_CACHE_DIR to another folder"
            raise DevClusterError(message) from error


def _write_through(directory: Path) -> None:
    """Put the files on the disk before the rename, lest a crash of the machine leave empty ones under the key."""
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
