"""The plot of a comparison by batch size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

_COLOURS = ("tab:blue", "tab:orange", "tab:green")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A leg's median latency."""

    name: str
    p50_ms: Mapping[int, float]
    """Batch size -> milliseconds."""


def draw(curves: Sequence[Curve], *, baseline: str, file: Path) -> None:
    """Draw latency and its ratio to the baseline over the batch size, as SVG.

    Args:
        curves: those of the three deployments, and then the same with an Envoy before the server, which are dashed.
        baseline: name of the curve that is 1 in the second plot.
        file: gets the plot.
    """
    reference = next(curve for curve in curves if curve.name == baseline)
    figure = Figure(figsize=(10, 4), layout="constrained")
    latency, relative = figure.subplots(1, 2)
    for number, curve in enumerate(curves):
        batches = list(curve.p50_ms)
        line = "-" if number < len(_COLOURS) else "--"
        colour = _COLOURS[number % len(_COLOURS)]
        latency.plot(batches, list(curve.p50_ms.values()), f"{line}o", color=colour, markersize=3, label=curve.name)
        ratios = [curve.p50_ms[batch] / reference.p50_ms[batch] for batch in batches]
        relative.plot(batches, ratios, f"{line}o", color=colour, markersize=3)
    latency.set(xlabel="batch (jets)", ylabel="p50 (ms)", ylim=(0, None))
    relative.set(xlabel="batch (jets)", ylabel=f"p50 / {baseline}")
    latency.legend()
    # The same figures make the same file, and text stays text.
    with mpl.rc_context({"svg.hashsalt": "sonic", "svg.fonttype": "none"}):
        figure.savefig(file, metadata={"Date": None})
