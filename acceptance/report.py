"""The report: a table that grows row by row, and its first cause."""

from collections.abc import Iterable, Sequence
from typing import TextIO

from acceptance.handshake import CHECKS, Expectation, Result, Row

_HEAD = ("check", "model", "result", "ms", "detail")


class Table:
    """A table on a stream; its columns are as wide as their longest possible entry, so that rows can be shown at once.

    Args:
        expectations: the models of the rows to come.
        stream: where to write.
    """

    def __init__(self, expectations: Sequence[Expectation], stream: TextIO) -> None:
        names = [name for expectation in expectations for name in expectation.asked]
        self._widths = [_width(_HEAD[0], CHECKS), _width(_HEAD[1], names), _width(_HEAD[2], Result), 6]
        self._stream = stream

    def show(self, rows: Iterable[Row]) -> list[Row]:
        """Write the head and each row when it comes, and return the rows."""
        self._write(*_HEAD)
        shown = []
        for row in rows:
            milliseconds = "" if row.milliseconds is None else f"{row.milliseconds:.0f}"
            self._write(row.check, row.model, row.result, milliseconds, row.detail)
            shown.append(row)
        return shown

    def _write(self, check: str, model: str, result: str, milliseconds: str, detail: str) -> None:
        widths = self._widths
        cells = [
            f"{check:<{widths[0]}}",
            f"{model:<{widths[1]}}",
            f"{result:<{widths[2]}}",
            f"{milliseconds:>{widths[3]}}",
        ]
        self._stream.write("  ".join([*cells, detail]).rstrip() + "\n")
        self._stream.flush()


def first_cause(rows: Iterable[Row]) -> Row | None:
    """The first row that failed; what failed after it may be its consequence."""
    return next((row for row in rows if row.result is Result.FAILED), None)


def _width(head: str, entries: Iterable[str]) -> int:
    return max(map(len, [head, *entries]))
