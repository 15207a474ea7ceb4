"""The values of a stack over time, from its Prometheus: one question for each value."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from access.prometheus import Ask, over_time
from observation import promql
from observation.facts import Unknown
from observation.reading import answered
from observation.stack_names import StackNames
from observation.values import OfValue, Series, Values

_POINTS = 300
"""Points of a curve: as many as a plot of 900 pixels shows."""
_STEP_SECONDS_MIN = 15
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_AT_ONCE = 4
"""Questions at a time. A stack's own Prometheus has a fifth of a core."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time, in steps of equal length."""

    start: datetime
    """Beginning."""
    end: datetime
    """End."""
    step_seconds: int
    """Length of a step."""

    @property
    def times(self) -> list[datetime]:
        """Times of the values: the beginning, and the end of each step."""
        step = timedelta(seconds=self.step_seconds)
        return [self.start + step * number for number in range((self.end - self.start) // step + 1)]


@dataclass(frozen=True, kw_only=True)
class History:
    """The answers for a report."""

    span: Span
    """Time that they cover."""
    pools: Mapping[str, OfValue]
    """Pool -> values of `promql.pool_history`."""
    envoys: OfValue
    """Values of `promql.envoy_history`."""
    unknown: Mapping[str, Sequence[str]]
    """Sentence -> values that could not be asked for that reason."""


def duration_seconds(text: str) -> int:
    """Return the seconds of a time such as `30m`, `24h` or `7d`.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})([mhd])", text)
    if found is None:
        msg = f"--last is {text}: write minutes, hours or days, such as 30m, 24h or 7d"
        raise ValueError(msg)
    return int(found[1]) * _UNITS[found[2]]


def span(seconds: int, names: StackNames, now: datetime) -> Span:
    """Return the last seconds, in so many steps as a plot shows. The rate of a step needs some scrapes."""
    step = max(math.ceil(seconds / _POINTS), names.rate_seconds, _STEP_SECONDS_MIN)
    end = datetime.fromtimestamp(now.timestamp() // step * step, UTC)
    return Span(start=end - timedelta(seconds=math.ceil(seconds / step) * step), end=end, step_seconds=step)


def read(ask: Ask, names: StackNames, covered: Span) -> History:
    """Ask for the history of a stack."""
    queries = {
        (pool.name, value): query
        for pool in names.pools
        for value, query in promql.pool_history(names, pool, covered.step_seconds).items()
    }
    queries |= {("", value): query for value, query in promql.envoy_history(names, covered.step_seconds).items()}
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as asking:
        answers = asking.map(lambda query: _series(ask, query, covered), queries.values())
        found = dict(zip(queries, answers, strict=True))
    unknown = defaultdict(list)
    for (pool, value), answer in found.items():
        if isinstance(answer, Unknown):
            unknown[answer.sentence].append(f"{value} of pool {pool}" if pool else value)

    def known(place: str) -> OfValue:
        return {
            value: answer
            for (pool, value), answer in found.items()
            if pool == place and not isinstance(answer, Unknown)
        }

    pools = {pool.name: known(pool.name) for pool in names.pools}
    return History(span=covered, pools=pools, envoys=known(""), unknown=unknown)


def _series(ask: Ask, query: str, covered: Span) -> Sequence[Series] | Unknown:
    question = over_time(
        query,
        start_seconds=covered.start.timestamp(),
        end_seconds=covered.end.timestamp(),
        step_seconds=covered.step_seconds,
    )
    result = answered(ask, question)
    if isinstance(result, Unknown):
        return result
    times = [round(time.timestamp()) for time in covered.times]
    return [Series(labels=each["metric"], values=_values(each["values"], times)) for each in result]


def _values(points: Sequence[tuple[float, str]], times: Sequence[int]) -> Values:
    found = {round(time): float(value) for time, value in points}
    return [found[time] if math.isfinite(found.get(time, math.nan)) else None for time in times]
