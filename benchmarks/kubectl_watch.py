"""A `kubectl get --watch` beside the caller: it tells of changes without the cost and the delay of a poll."""

import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Self


class KubectlWatch:
    """Reads the lines of a command while it is entered; `take` of a subclass gets them in a thread of their own.

    Args:
        command: the command with its arguments.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._reader.join()
        self._process.wait()

    def has_ended(self) -> bool:
        """Tell whether the command has ended by itself."""
        return self._process.poll() is not None

    def take(self, lines: Iterable[str]) -> None:
        """Read the lines until there are no more."""
        raise NotImplementedError

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  a pipe, as Popen was told
        self.take(self._process.stdout)
