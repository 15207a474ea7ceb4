"""Event loops for Pulumi's mocks, which make one in each thread that has none, and close none."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager


@contextmanager
def event_loops() -> Iterator[None]:
    """Give this thread, and the one in which the mocks answer, a loop each until the end.

    A loop that stays open ends a command with a traceback if the interpreter collects its sockets first.
    """
    with closing(asyncio.new_event_loop()) as of_mocks, asyncio.Runner() as runner:
        one_thread = ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(of_mocks,))
        runner.get_loop().set_default_executor(one_thread)
        yield
