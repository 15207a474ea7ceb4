"""Cells of the view's tables."""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

NOTHING = "\N{EN DASH}"
"""Shown for a number that no series tells."""
_SHORTEST_NAME = 16
_TAIL = 0.6
"""Part of a shortened name that is its end, which tells two pods or versions of a model apart."""

Column = tuple[str, Literal["left", "right"]]


class Name:
    """A name that is shortened in its middle where there is no room.

    Args:
        text: the whole name.
        style: rich's style.
    """

    def __init__(self, text: str, style: str = "") -> None:
        self._text = text
        self._style = style

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(len(self._text), _SHORTEST_NAME), len(self._text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shortened(self._text, options.max_width), style=self._style, no_wrap=True, overflow="crop")


def shortened(name: str, length: int) -> str:
    """Return a name of so many characters at most, without its middle if it is longer."""
    if len(name) <= length:
        return name
    tail = max(round((length - 1) * _TAIL), 1)
    return f"{name[: length - 1 - tail]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


def table(*columns: Column, give_way: Sequence[str]) -> Table:
    """Return a table without rows.

    Args:
        columns: name and side of each.
        give_way: columns that are narrowed where there is little room, so that all numbers are whole.
    """
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name, justify in columns:
        made.add_column(name, justify=justify, no_wrap=name not in give_way, overflow="ellipsis")
    return made


def numbers(*names: str) -> list[Column]:
    """Return columns of numbers."""
    return [(name, "right") for name in names]


def sentence(text: str) -> Text:
    """Return a text of one line."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def number(value: float | None, style: str = "") -> Text:
    """Return a number, with a style unless it is 0 or not known."""
    return Text(plain(value), style=style if value else "dim")


def percent(share: float | None) -> Text:
    """Return a share of 1 in percent."""
    return Text(NOTHING if share is None else f"{share:.0%}", style="" if share else "dim")


def plain(value: float | None) -> str:
    """Return a number with three digits at least and no more after the point than tell something."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
