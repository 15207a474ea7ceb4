"""PromQL over series of one source, which are told apart by the same labels.

A pod that two scrape jobs see counts once: `max by` these labels comes before each sum. No query needs a recording
rule, so that a dashboard works on every Prometheus that scrapes the pods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = "$__rate_interval"
"""Grafana's variable with a time of four scrapes at least."""
CHOSEN = "$__range"
"""Grafana's variable with the time that the reader chose."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Series of one source."""

    selector: str
    """Matchers of all of them, separated by commas."""
    labels: tuple[str, ...]
    """Labels that tell two series of one name apart."""

    def series(self, name: str, *matchers: str) -> str:
        """Return the series of a name, and of further matchers."""
        return f"{name}{{{','.join((self.selector, *matchers))}}}"

    def now(self, name: str, *matchers: str, by: Sequence[str] = ()) -> str:
        """Return the sum of a gauge."""
        return self.sum(self.series(name, *matchers), by=by)

    def rate(self, name: str, *matchers: str, by: Sequence[str] = (), window: str = WINDOW) -> str:
        """Return the sum of a counter's rates, per second."""
        return self.sum(f"rate({self.series(name, *matchers)}[{window}])", by=by)

    def sum(self, expression: str, *, by: Sequence[str] = ()) -> str:
        """Return the sum of an expression over series of this family."""
        return f"sum{_by(by)} ({self.each(expression)})"

    def each(self, expression: str) -> str:
        """Return an expression with each series once."""
        return f"max{_by(self.labels)} ({expression})"


def ratio(part: str, whole: str, factor: str = "") -> str:
    """Return a quotient, empty where nothing is divided by. `factor` follows it, such as `/ 1e6`."""
    return f"{part} / ({whole} > 0){f' {factor}' if factor else ''}"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
