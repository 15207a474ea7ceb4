"""Shows the progress of long work: the step, what it waits for, and for how long."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

REPORT_EVERY_SECONDS = 5.0


class Progress:
    """Numbered steps on a stream, one line each.

    On a terminal the line of the current step is redrawn in place; a file or pipe gets new lines, so that a log stays
    readable. `waiting` may be called from any thread and as often as the caller polls.

        progress = Progress(total=12)
        with progress.step("start etcd"):
            progress.waiting("etcd to answer on 127.0.0.1:12379")

    Args:
        total: number of steps to come.
        stream: standard error, so that a command's output stays usable in a pipe.
    """

    def __init__(self, total: int, stream: TextIO = sys.stderr) -> None:
        self._total = total
        self._stream = stream
        self._redraws = stream.isatty()
        self._lock = threading.RLock()
        self._number = 0
        self._title = ""
        self._started = time.monotonic()
        self._reported = self._started

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step; at its end show the time that it took, or that it failed."""
        with self._lock:
            self._number += 1
            self._title = title
            self._started = self._reported = time.monotonic()
            self._show(f"{self._prefix()} …", finished=False)
        try:
            yield
        except BaseException:
            self._show(f"{self._prefix()}: failed after {self._elapsed()}", finished=True)
            raise
        self._show(f"{self._prefix()}  {self._elapsed()}", finished=True)

    def waiting(self, for_what: str) -> None:
        """Show what the current step is waiting for, at most every `REPORT_EVERY_SECONDS`."""
        with self._lock:
            now = time.monotonic()
            if now - self._reported < REPORT_EVERY_SECONDS:
                return
            self._reported = now
            self._show(f"{self._prefix()}: {self._elapsed()}, waiting for {for_what}", finished=False)

    def _prefix(self) -> str:
        width = len(str(self._total))
        return f"[{self._number:>{width}}/{self._total}] {self._title}"

    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._started)

    def _show(self, line: str, *, finished: bool) -> None:
        with self._lock:
            if self._redraws:
                # A line that wraps could not be redrawn.
                shown = line if finished else line[: shutil.get_terminal_size().columns - 1]
                self._stream.write(f"\r\x1b[K{shown}" + ("\n" if finished else ""))
            else:
                self._stream.write(f"{line}\n")
            self._stream.flush()


def duration(seconds: float) -> str:
    """Return a time for people: `0.4 s`, `42 s`, `7 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
