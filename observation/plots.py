"""Plots of a report: curves of the values over time. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from components.envoy.refusals import REFUSALS
from observation.promql import QUANTILES
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
    colour: int = 0
    """Number of its colour; the curves of one pool have the same one."""
    dashed: bool = False
    """It is drawn dashed, beside another of the same colour."""
    on_the_right: bool = False
    """Its axis is the right one."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot."""

    title: str
    """Title."""
    note: str
    """Sentence on the values."""
    left: str
    """Unit of the left axis."""
    right: str = ""
    """Unit of the right axis; empty: it has none."""
    without: str
    """Sentence in place of the drawing if there is no curve."""
    curves: Sequence[Curve]
    """Curves that have a value."""


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
            title="Latency of clients' calls",
            note="Time in a server with all attempts, as Envoy counts it in buckets: without the network to the client "
            "and without refused calls.",
            left="ms",
            without=f"No call reached a server in this time, {_OR_UNKNOWN}.",
            curves=[
                Curve(name=f"{quantile:.0%} of the calls within", values=values, colour=number)
                for number, (name, quantile) in enumerate(QUANTILES.items())
                for values in each(envoys, name)
            ],
        ),
        Plot(
            title="Mean time of a request in the servers",
            note="Triton counts it when a request ends.",
            left="ms",
            without=f"No request ended in a server in this time, {_OR_UNKNOWN}.",
            curves=list(_times(sums)),
        ),
        Plot(
            title="Load and servers",
            note="Requests that succeeded, and servers that answer Prometheus.",
            left="requests per second",
            right="servers (dashed)",
            without=_NO_SERVER,
            curves=list(_load(sums, "requests", "requests per second")),
        ),
        Plot(
            title="Waiting requests and servers",
            note="Requests in Triton's queues, at the time of each point.",
            left="waiting requests",
            right="servers (dashed)",
            without=_NO_SERVER,
            curves=list(_load(sums, "pending", "waiting requests")),
        ),
        Plot(
            title="Refused and failed calls",
            note="Refused: by Envoy. Ended: by gRPC status, refused calls with them. Failed: in Triton, by reason.",
            left=f"calls per {step_seconds} s",
            without=_no_losses(pools, envoys),
            curves=_numbered(
                [curve for curve in _losses(pools, envoys, step_seconds) if total([curve.values], 1) >= _ONE]
            ),
        ),
        Plot(
            title="GPUs",
            note="GPUs that servers report. Accounts of what was allocated are recording rules: docs/runbook.md.",
            left="GPUs",
            without="No server reports a GPU: none has one, or they have slices of one (MIG).",
            curves=[
                Curve(name=pool, values=found["gpus"], colour=number)
                for number, (pool, found) in enumerate(sums.items())
                if "gpus" in found
            ],
        ),
    ]


_OR_UNKNOWN = "or Prometheus has no series of it"
_NO_SERVER = "Prometheus has no sample of a server in this time."
_ONE = 0.5
"""Least sum of a curve of events: an increase is extrapolated, and so not whole."""


def _times(sums: Mapping[str, Mapping[str, Values]]) -> Iterator[Curve]:
    for number, (pool, found) in enumerate(sums.items()):
        for value, words in (("total", "in all"), ("queue", "in the queue")):
            if "requests" in found and value in found:
                mean = ratio(found[value], found["requests"], 1000)
                yield Curve(name=f"{pool}: {words}", values=mean, colour=number, dashed=value == "queue")


def _load(sums: Mapping[str, Mapping[str, Values]], value: str, words: str) -> Iterator[Curve]:
    for number, (pool, found) in enumerate(sums.items()):
        if value in found:
            yield Curve(name=f"{pool}: {words}", values=found[value], colour=number)
        if "servers" in found:
            yield Curve(name=f"{pool}: servers", values=found["servers"], colour=number, dashed=True, on_the_right=True)


def _numbered(curves: Sequence[Curve]) -> list[Curve]:
    return [replace(curve, colour=number) for number, curve in enumerate(curves)]


def _no_losses(pools: Mapping[str, OfValue], envoys: OfValue) -> str:
    """Return the sentence of a time without a loss, as far as Envoy and the servers have told of one."""
    if any(envoys.values()):
        return "No call was refused, and none failed."
    if any(found.get("servers") for found in pools.values()):
        return "No request failed in a server. Refused calls are not known: Prometheus has no series of Envoy."
    return "Neither Envoy nor a server tells of a call."


def _losses(pools: Mapping[str, OfValue], envoys: OfValue, step_seconds: int) -> Iterator[Curve]:
    for refusal in REFUSALS:
        for values in each(envoys, refusal.cause):
            yield Curve(name=f"refused: {refusal.cause}", values=values)
    for series in envoys.get("ended", ()):
        yield Curve(name=f"ended: {_status(series)}", values=series.values)
    for pool, found in pools.items():
        for series in found.get("failed", ()):
            reason = series.labels.get("reason", "")
            yield Curve(name=f"failed in {pool}: {reason}", values=scaled(series.values, step_seconds))


def _status(series: Series) -> str:
    code = series.labels.get("grpc_status", "")
    return _STATUSES[int(code)] if code.isdecimal() and int(code) < len(_STATUSES) else f"status {code}"
