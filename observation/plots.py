"""Plots of a report: curves of the values over time. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from observation.promql import QUANTILES, REFUSALS
from observation.values import OfValue, Series, Values, each, ratio, scaled, summed, total

_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""Names of gRPC's status codes, by their number."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve of a plot."""

    name: str
    """Name in the legend."""
    values: Values
    """Values, one for each time of the report."""
    on_the_right: bool = False
    """Its axis is the right one."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot."""

    title: str
    """Title, with the units."""
    note: str
    """Sentence on the values."""
    curves: Sequence[Curve]
    """Curves that have a value; without one the plot says so."""


def plots(pools: Mapping[str, OfValue], envoys: OfValue, step_seconds: int) -> list[Plot]:
    """Return the plots of a stack."""
    drawn = _plots(pools, envoys, step_seconds)
    return [replace(plot, curves=[curve for curve in plot.curves if _has_value(curve)]) for plot in drawn]


def _has_value(curve: Curve) -> bool:
    return any(value is not None for value in curve.values)


def _plots(pools: Mapping[str, OfValue], envoys: OfValue, step_seconds: int) -> list[Plot]:
    sums = {
        pool: {value: summed(each(found, value)) for value in found if found[value]} for pool, found in pools.items()
    }
    return [
        Plot(
            title="Latency of clients' calls, ms",
            note="Time in a server with all attempts, as Envoy counts it in buckets: without the network to the client "
            "and without refused calls.",
            curves=[
                Curve(name=f"{quantile:.0%} of the calls within", values=values)
                for name, quantile in QUANTILES.items()
                for values in each(envoys, name)
            ],
        ),
        Plot(
            title="Mean time of a request in the servers, ms",
            note="Triton counts it when a request ends.",
            curves=list(_times(sums)),
        ),
        Plot(
            title="Requests per second (left), servers (right)",
            note="Requests that succeeded, and servers that answer Prometheus.",
            curves=list(_load(sums, "requests", "requests/s")),
        ),
        Plot(
            title="Waiting requests (left), servers (right)",
            note="Requests in Triton's queues, at the time of each point.",
            curves=list(_load(sums, "pending", "waiting")),
        ),
        Plot(
            title=f"Refused and failed calls, per {step_seconds} s",
            note="Refused: by Envoy. Ended: by gRPC status, refused calls with them. Failed: in Triton, by reason.",
            curves=[curve for curve in _losses(pools, envoys, step_seconds) if total([curve.values], 1) >= _ONE],
        ),
        Plot(
            title="GPUs",
            note="GPUs that servers report. Accounts of what was allocated are recording rules: docs/runbook.md.",
            curves=[Curve(name=pool, values=found["gpus"]) for pool, found in sums.items() if "gpus" in found],
        ),
    ]


_ONE = 0.5
"""Least sum of a curve of events: an increase is extrapolated, and so not whole."""


def _times(sums: Mapping[str, Mapping[str, Values]]) -> Iterator[Curve]:
    for pool, found in sums.items():
        for value, words in (("total", "in all"), ("queue", "in the queue")):
            if "requests" in found and value in found:
                yield Curve(name=f"{pool}: {words}", values=ratio(found[value], found["requests"], 1000))


def _load(sums: Mapping[str, Mapping[str, Values]], value: str, words: str) -> Iterator[Curve]:
    for pool, found in sums.items():
        if value in found:
            yield Curve(name=f"{pool}: {words}", values=found[value])
        if "servers" in found:
            yield Curve(name=f"{pool}: servers", values=found["servers"], on_the_right=True)


def _losses(pools: Mapping[str, OfValue], envoys: OfValue, step_seconds: int) -> Iterator[Curve]:
    for cause in REFUSALS:
        for values in each(envoys, cause):
            yield Curve(name=f"refused: {cause}", values=values)
    for series in envoys.get("ended", ()):
        yield Curve(name=f"ended: {_status(series)}", values=series.values)
    for pool, found in pools.items():
        for series in found.get("failed", ()):
            reason = series.labels.get("reason", "")
            yield Curve(name=f"failed in {pool}: {reason}", values=scaled(series.values, step_seconds))


def _status(series: Series) -> str:
    code = series.labels.get("grpc_status", "")
    return _STATUSES[int(code)] if code.isdecimal() and int(code) < len(_STATUSES) else f"status {code}"
