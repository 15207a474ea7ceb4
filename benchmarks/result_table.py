"""The table of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

SIDES = ("SuperSONIC 0.3.1", "ours")
BASELINE = ("baseline", "measured")
"""Headings of rows whose baseline the measure names."""

_NO = "-"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure of both sides, or of a part and its baseline."""

    benchmark: str
    """Such as B1."""
    measure: str
    """Name of the measure, with its unit."""
    compared: tuple[str, str] = SIDES
    """Headings of `theirs` and `ours`."""
    theirs: str = _NO
    ours: str = _NO
    ratio: str = _NO
    """Ours to theirs, unless the measure says otherwise."""
    aim: str = _NO
    """Aim for ours."""
    reached: bool | None = None
    """True if ours reached the aim; None where there is no aim, or no measurement."""
    rejected: str = ""
    """Reason to reject the figures; empty if there is none."""

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        verdict = "rejected" if self.rejected else {True: "reached", False: "MISSED", None: ""}[self.reached]
        return (self.measure, self.theirs, self.ours, self.ratio, self.aim, verdict)


def render(rows: Sequence[Row]) -> str:
    """Return the rows as aligned Markdown tables, one for each pair of headings, and the reasons of rejected rows."""
    tables = [_table(compared, list(some)) for compared, some in groupby(rows, key=lambda row: row.compared)]
    reasons = list(dict.fromkeys(f"{row.benchmark}: {row.rejected}" for row in rows if row.rejected))
    return "\n\n".join([*tables, *(["\n".join(reasons)] if reasons else [])])


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Return an aligned Markdown table; the first line is its header."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [_line(cells[0], widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join(lines + [_line(line, widths) for line in cells[1:]])


def _table(compared: tuple[str, str], rows: Sequence[Row]) -> str:
    return markdown([("measure", *compared, "ratio [95 %]", "aim", ""), *map(_cells, rows)])


def _cells(row: Row) -> tuple[str, ...]:
    measure, *rest = row.cells
    return (f"{row.benchmark} {measure}", *rest)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
