"""The report of a stack, computed from its history: totals, plots, and what is missing. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from observation.history import History
from observation.plots import Plot, plots
from observation.promql import REFUSALS
from observation.stack_names import StackNames
from observation.values import OfValue, Values, each, total


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A report."""

    stack: str
    """Name of the stack."""
    place: str
    """Instance and namespace."""
    times: Sequence[datetime]
    """Times of the values."""
    step_seconds: int
    """Time between two of them."""
    missing: Sequence[str]
    """Sentences on times and parts without an answer."""
    totals: Sequence[tuple[str, str]]
    """Name and value of each number that is for the whole time."""
    plots: Sequence[Plot]
    """Plots."""


def summary(history: History, names: StackNames) -> Summary:
    """Return the report of a stack. Without any answer it is a list of what is missing."""
    step, times = history.span.step_seconds, history.span.times
    known = any([*history.pools.values(), history.envoys])
    servers = [values for found in history.pools.values() for values in each(found, "servers")]
    return Summary(
        stack=names.stack,
        place=f"{names.instance} in namespace {names.namespace}",
        times=times,
        step_seconds=step,
        missing=[
            *(f"{', '.join(parts)}: {sentence}" if known else sentence for sentence, parts in history.unknown.items()),
            *(_gaps(times, servers) if known else ()),
        ],
        totals=list(_totals(history.pools, history.envoys, step)) if known else [],
        plots=plots(history.pools, history.envoys, step) if known else [],
    )


def _gaps(times: Sequence[datetime], servers: Sequence[Values]) -> Iterator[str]:
    """Yield each time in which no server has a sample: none ran, none was scraped, or Prometheus was away."""
    seen = [any(values[at] is not None for values in servers) for at in range(len(times))]
    for scraped, steps in groupby(zip(seen, times, strict=True), key=lambda pair: pair[0]):
        if not scraped:
            within = [time for _, time in steps]
            yield f"Prometheus has no sample of a server from {within[0]:%d %b %H:%M} to {within[-1]:%d %b %H:%M} UTC"


def _totals(pools: Mapping[str, OfValue], envoys: OfValue, step: int) -> Iterator[tuple[str, str]]:
    requests = sum(total(each(found, "requests"), step) for found in pools.values())
    failed = sum(total(each(found, "failed"), step) for found in pools.values())
    gpu_hours = {name: total(each(found, "gpus"), step / 3600) for name, found in pools.items()}
    yield "requests that succeeded in servers", _whole(requests)
    yield "requests that failed in servers", _whole(failed)
    yield "calls that ended with an error, refused ones with them", _whole(total(each(envoys, "ended"), 1))
    for cause in REFUSALS:
        refused = total(each(envoys, cause), 1)
        if refused >= 0.5:  # an increase is extrapolated, and so not whole
            yield f"calls that Envoy refused: {cause}", _whole(refused)
    for name, found in pools.items():
        for values in each(found, "servers"):
            counts = [count for count in values if count is not None]
            if counts:
                mean = sum(counts) / len(counts)
                yield f"servers of pool {name}", f"{min(counts):.0f} to {max(counts):.0f}, {mean:.1f} on average"
        if gpu_hours[name]:
            yield f"GPU hours of pool {name}", f"{gpu_hours[name]:.2f}"
    hours = sum(gpu_hours.values())
    if hours:
        yield "requests per GPU hour", _whole(requests / hours)


def _whole(number: float) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
