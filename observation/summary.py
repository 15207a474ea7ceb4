"""The report of a stack, computed from its history: totals, plots, and what is missing. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import median

from components.envoy.refusals import REFUSALS
from observation.history import History
from observation.plots import Plot, plots
from observation.promql import QUANTILES
from observation.stack_names import StackNames
from observation.values import OfValue, Values, each, summed, total


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One of the few numbers that tell most."""

    name: str
    """Name."""
    value: str
    """Number, with its unit."""
    more: str = ""
    """Its share or its range."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A report."""

    stack: str
    """Name of the stack."""
    place: str
    """Instance and namespace."""
    pages: Mapping[str, str]
    """Program with a page for people -> its address."""
    times: Sequence[datetime]
    """Times of the values."""
    step_seconds: int
    """Time between two of them."""
    missing: Sequence[str]
    """Sentences on times and parts without an answer."""
    figures: Sequence[Figure]
    """Numbers that tell whether the stack did its work."""
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
        pages=names.pages,
        times=times,
        step_seconds=step,
        missing=[
            *(f"{', '.join(parts)}: {sentence}" if known else sentence for sentence, parts in history.unknown.items()),
            *(_gaps(times, servers) if known else ()),
        ],
        figures=list(_figures(history.pools, history.envoys, step)) if known else [],
        totals=list(_totals(history.pools, history.envoys, step)) if known else [],
        plots=plots(history.pools, history.envoys, step) if known else [],
    )


def _gaps(times: Sequence[datetime], servers: Sequence[Values]) -> Iterator[str]:
    """Yield each time in which no server has a sample: none ran, none was scraped, or Prometheus was away."""
    seen = [any(values[at] is not None for values in servers) for at in range(len(times))]
    for scraped, steps in groupby(zip(seen, times, strict=True), key=lambda pair: pair[0]):
        if not scraped:
            within = [time for _, time in steps]
            first, last = (f"{time:%d %b %H:%M}" for time in (within[0], within[-1]))
            when = f"at {first}" if first == last else f"from {first} to {last}"
            yield f"Prometheus has no sample of a server {when} UTC"


def _figures(pools: Mapping[str, OfValue], envoys: OfValue, step: int) -> Iterator[Figure]:
    if envoys.get("answered") and "ended" in envoys:
        answered, failed = (total(each(envoys, value), 1) for value in ("answered", "ended"))
        yield Figure(name="calls answered", value=_whole(answered))
        yield Figure(name="calls failed or refused", value=_whole(failed), more=_share(failed, answered + failed))
    for name, quantile in QUANTILES.items():
        latencies = _known(each(envoys, name))
        if latencies:
            typical, most = (_whole(number) for number in (median(latencies), max(latencies)))
            yield Figure(
                name=f"{quantile:.0%} of the calls within", value=f"{typical} ms", more=f"typical; worst {most} ms"
            )
    counts = _known([summed([values for found in pools.values() for values in each(found, "servers")])])
    if counts:
        yield Figure(name="servers", value=_range(counts), more=f"{sum(counts) / len(counts):.1f} on average")
    hours = sum(total(each(found, "gpus"), step / 3600) for found in pools.values())
    if hours:
        yield Figure(name="GPU hours", value=f"{hours:.1f}")


def _known(parts: Sequence[Values]) -> list[float]:
    return [value for values in parts for value in values if value is not None]


def _range(counts: Sequence[float]) -> str:
    least, most = min(counts), max(counts)
    return f"{most:.0f}" if least == most else f"{least:.0f} to {most:.0f}"


def _share(part: float, whole: float) -> str:
    """Return the share of a number of calls, which is rounded to none only if there is none."""
    if part < 0.5 or not whole:  # an increase is extrapolated, and so not whole
        return ""
    return f"{part / whole:.1%} of all" if part / whole >= 0.001 else "under 0.1% of all"


def _totals(pools: Mapping[str, OfValue], envoys: OfValue, step: int) -> Iterator[tuple[str, str]]:
    requests = sum(total(each(found, "requests"), step) for found in pools.values())
    failed = sum(total(each(found, "failed"), step) for found in pools.values())
    gpu_hours = {name: total(each(found, "gpus"), step / 3600) for name, found in pools.items()}
    yield "requests that succeeded in servers", _whole(requests)
    yield "requests that failed in servers", _whole(failed)
    yield "calls that ended with an error, refused ones with them", _whole(total(each(envoys, "ended"), 1))
    for refusal in REFUSALS:
        refused = total(each(envoys, refusal.cause), 1)
        if refused >= 0.5:  # an increase is extrapolated, and so not whole
            yield f"calls that Envoy refused: {refusal.cause}", _whole(refused)
    for name, found in pools.items():
        counts = _known(each(found, "servers"))
        if counts:
            yield f"servers of pool {name}", f"{_range(counts)}, {sum(counts) / len(counts):.1f} on average"
        if gpu_hours[name]:
            yield f"GPU hours of pool {name}", f"{gpu_hours[name]:.2f}"
    hours = sum(gpu_hours.values())
    if hours:
        yield "requests per GPU hour", _whole(requests / hours)
    for model, number in sorted(_by_model(pools, step).items(), key=lambda pair: -pair[1]):
        yield f"requests of model {model}", _whole(number)


def _by_model(pools: Mapping[str, OfValue], step: int) -> Mapping[str, float]:
    """Return the requests of each model that had one, over all pools."""
    found: dict[str, float] = defaultdict(float)
    for values in pools.values():
        for series in values.get("requests", ()):
            found[series.labels.get("model", "")] += total([series.values], step)
    return {model: number for model, number in found.items() if number >= 0.5}


def _whole(number: float) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
