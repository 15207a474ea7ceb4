"""Runs of long programs, with a log, the last line as progress, and the reason of a failure."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.progress import duration

_TAIL_LINES = 15
_SHOWN_CHARACTERS = 60

# Builds yield to a cluster that is starting.
_NICE = ("nice", "-n", "10")
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def run_logged(
    command: Sequence[str],
    *,
    title: str,
    log: Path,
    waiting: Callable[[str], None],
    environment: Mapping[str, str],
    interruptible: bool,
    directory: Path | None = None,
) -> None:
    """Run a command to its end.

    Args:
        command: program and arguments.
        title: what is going on, for people: `build of kubelet`.
        log: gets stdout and stderr, replacing an earlier log.
        waiting: told once a second the title, the seconds so far and the last line of output.
        environment: the whole environment of the program.
        interruptible: it may be killed at any point, so it ends when this process is interrupted or killed;
            otherwise it is let finish, out of reach of the terminal's Ctrl-C.
        directory: where it runs; here, if absent.

    Raises:
        DevClusterError: it failed; the text ends with the last lines of the log and the log's path.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [*_NICE, *(_ENDS_WITH_US if interruptible else ()), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            process_group=0,
        )
        try:
            while (code := _wait_a_second(process)) is None:
                elapsed = duration(time.monotonic() - started)
                waiting(f"{title} ({elapsed}) {last_lines(log, 1)[-_SHOWN_CHARACTERS:]}".rstrip())
        finally:
            if interruptible and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        message = f"{title} failed with exit code {code}; its last lines, from {log}:\n{last_lines(log, _TAIL_LINES)}"
        raise DevClusterError(message)


def last_lines(log: Path, count: int) -> str:
    """Return the last lines of a log, without trailing blank ones."""
    return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-count:])


def _wait_a_second(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None
