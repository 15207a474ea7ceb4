"""The view as it goes on: a frame every few seconds, until a key ends it."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

from observation.frame import Frame
from observation.screen import EVENTS_SHOWN, screen

REFRESH_SECONDS = 3.0
_LOOK_SECONDS = 0.2
"""Time between looks at a frame that is being read."""
_HINT = "q ends"
_CLOSED = "\x04"
"""Ctrl-D, and the end of the input."""


def watch(console: Console, take: Callable[[], Frame]) -> None:
    """Show frames on the whole terminal until `q`, Ctrl-C or the end of the input. `take` reads the facts of one."""
    reader = ThreadPoolExecutor(max_workers=1)
    try:
        with _keys() as pressed, Live(f"reading …   {_HINT}", console=console, screen=True, auto_refresh=False) as live:
            ended = False
            while not ended:
                reading = reader.submit(take)
                ended = _ends(reading, pressed)
                if not ended:
                    live.update(fitted(console, reading.result()), refresh=True)
                    ended = _is_end(pressed(REFRESH_SECONDS))
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


def _ends(reading: "Future[Frame]", pressed: Callable[[float], str]) -> bool:
    """Wait until a frame is read; return True if a key ends the view before."""
    while not reading.done():
        if _is_end(pressed(_LOOK_SECONDS)):
            return True
    return False


def _is_end(key: str) -> bool:
    return key in {"q", "Q", _CLOSED}


def fitted(console: Console, frame: Frame) -> RenderableType:
    """Return a frame with as many servers as the terminal has room for, and fewer events where there is none."""
    without = console.render_lines(screen(frame, hint=_HINT, servers_max=0))
    # Two of these lines are of servers: one, and how many more there are.
    room = console.height - len(without) + 2
    events = max(EVENTS_SHOWN - max(2 - room, 0), 1)
    return screen(frame, hint=_HINT, servers_max=max(room, 2), events_max=events)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Give a wait of so many seconds for a key, which it returns; empty: none was pressed."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)

    def pressed(seconds: float) -> str:
        readable, _, _ = select.select([terminal], [], [], seconds)
        return os.read(terminal, 1).decode(errors="replace") or _CLOSED if readable else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
