"""A row of the table: one question, its result, and the way out where it fails."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from access.cluster import ClusterView
from fit.demand import Demand


class Result(StrEnum):
    """Result of a row."""

    OK = "ok"
    MISFIT = "FAIL"
    NOT_LOOKED_AT = "not looked at"


class Row(NamedTuple):
    """One line of the table."""

    subject: str
    """Thing that is looked at."""
    result: Result
    """Result."""
    detail: str
    """Value that was found, and the way out of a misfit."""


class Finding(NamedTuple):
    """Result of one question to the cluster."""

    result: Result
    """Result."""
    detail: str
    """Value that was found, and the way out of a misfit."""


def ok(detail: str) -> Finding:
    """Return a finding that fits."""
    return Finding(Result.OK, detail)


def misfit(detail: str) -> Finding:
    """Return a finding because of which the deployment breaks."""
    return Finding(Result.MISFIT, detail)


def unknown(detail: str) -> Finding:
    """Return a finding that says nothing, with the reason."""
    return Finding(Result.NOT_LOOKED_AT, detail)


class Question(NamedTuple):
    """A question whose answer may be several rows."""

    subject: str
    """Thing that is looked at."""
    asks: str
    """What the cluster is asked, in words, for the offline form."""
    findings: Callable[[Demand, ClusterView], Iterable[Finding]]
    """Look at the cluster. No finding: the stack needs nothing of this."""
