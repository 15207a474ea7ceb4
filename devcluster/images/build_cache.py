"""The cache of built images and of their parts, and the runner of the programs that build them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from devcluster.paths import CACHE
from devcluster.toolchain.process import run_logged
from devcluster.toolchain.store import Store

STORE = Store(CACHE / "images")

# In namespaces of its own: all mounts and children of a program end with it, also when it is killed.
_CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")

Waiting = Callable[[str], None]
"""Gets a line of progress about once a second."""


def build_once(name: str, key: str, waiting: Waiting, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name and key in the cache; make it first if it is not there.

    It appears whole or not at all; the next run that makes something removes what a killed run left.

    Args:
        name: of the content, for people.
        key: changes with everything that decides the content.
        waiting: gets the other run that holds the lock.
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
    """Run a building program to its end, in namespaces of its own.

    Args:
        command: program and arguments.
        title: of the work, for people.
        log: name of the log in the cache's log folder.
        waiting: gets the title and the last line of output once a second.

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
