"""Fit inside a preview: a process of its own asks while the program runs, and its misfits end the preview."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from fit.command import MISFIT, UNREACHED
from stacks.resolve import ROOT


def ask_beside(stack: str, *, warn: Callable[[str], None], refuse: type[Exception]) -> Awaitable[Any]:
    """Start to ask, and return what waits for the answers and then gives their text.

    Args:
        stack: name of the stack.
        warn: tells that the cluster was not asked.
        refuse: raised with a line for each misfit.
    """
    command = [sys.executable, "-m", "fit", stack]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    async def conclude() -> str:
        told, _ = await asyncio.to_thread(process.communicate)
        if process.returncode == MISFIT:
            msg = f"the stack does not fit its cluster (all rows: python -m stacks fit {stack}):\n{told}"
            raise refuse(msg)
        if process.returncode == UNREACHED:
            warn(told)
        elif process.returncode != 0:
            warn(f"python -m fit {stack} ended with status {process.returncode}, and said nothing of the cluster")
        return told

    return conclude()
