"""The table of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

_HEADER = ("measure", "SuperSONIC 0.3.1", "ours", "ratio [95 %]", "aim", "")
_NO = "-"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure of both sides."""

    benchmark: str
    """Such as B1."""
    measure: str
    """Name of the measure, with its unit."""
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
    """Return the rows as an aligned Markdown table, and below it the reasons of rejected rows."""
    cells = [_HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADER))]
    lines = [_line(cells[0], widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    lines += [_line(line, widths) for line in cells[1:]]
    reasons = dict.fromkeys(f"{row.benchmark}: {row.rejected}" for row in rows if row.rejected)
    return "\n".join([*lines, *(["", *reasons] if reasons else [])])


def _cells(row: Row) -> tuple[str, ...]:
    measure, *rest = row.cells
    return (f"{row.benchmark} {measure}", *rest)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
