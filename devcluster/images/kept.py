"""Where images and what they are made of are kept, and how their makers are run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from devcluster.paths import CACHE
from devcluster.toolchain.process import run_logged
from devcluster.toolchain.store import Store

STORE = Store(CACHE / "images")

# In namespaces of its own: what a program mounts or starts goes away with it, also when it is killed.
_CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")

Waiting = Callable[[str], None]
"""Told about once a second what is going on."""


def keep(name: str, key: str, waiting: Waiting, make: Callable[[Path], None]) -> Path:
    """The kept folder of this name and key, made now if it is not there.

    It appears whole or not at all; what a killed run left is removed by the next one that makes something.

    Args:
        name: what is in it.
        key: changes with everything that decides its content.
        waiting: told who is waited for, if another run is at it.
        make: fills an empty folder.
    """
    build = f"{name}-{key}"
    directory = STORE.directory(build)
    if directory.exists():
        return directory
    with STORE.lock("build", waiting):
        if not directory.exists():  # the run that we waited for may have made it
            with STORE.publish(build) as unfinished:
                make(unfinished)
    return directory


def run(command: Sequence[str], *, title: str, log: str, waiting: Waiting) -> None:
    """Run a maker to its end, in namespaces of its own.

    Args:
        command: program and arguments.
        title: what is going on, for people.
        log: name of the log that gets its output, in the cache's log folder.
        waiting: told once a second the title and the last line of output.

    Raises:
        DevClusterError: it failed; the text has the last lines of its output.
    """
    run_logged(
        [*_CONTAINED, *command],
        title=title,
        log=CACHE / "log" / f"{log}.log",
        waiting=waiting,
        environment={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        interruptible=True,
    )
