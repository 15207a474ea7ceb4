"""The plot of both sides: servers and waiting requests, as predicted and as measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.autoscaling.simulation import Run
from benchmarks.live_scaling.deviation import Band

_PREDICTED, _MEASURED = "tab:blue", "tab:red"


@dataclass(frozen=True, kw_only=True)
class Curves:
    """One side."""

    measured: Run
    servers: Band
    waiting: Band


def draw(sides: Mapping[str, Curves], *, file: Path) -> None:
    """Draw a column for each side, as SVG.

    Args:
        sides: its name -> its curves.
        file: gets the plot.
    """
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, len(sides), sharex=True, sharey="row", squeeze=False)
    for column, (name, curves) in enumerate(sides.items()):
        timeline = curves.measured.timeline
        servers, waiting = axes[0][column], axes[1][column]
        servers.plot(timeline.seconds, timeline.load, color="black", linestyle=":", label="load")
        _curve(servers, timeline.seconds, timeline.pods, curves.servers)
        _curve(waiting, timeline.seconds, timeline.waiting, curves.waiting)
        servers.set(title=name, ylim=(0, None))
        waiting.set(xlabel="seconds", ylim=(0, None))
    axes[0][0].set(ylabel="pods of servers")
    axes[1][0].set(ylabel="waiting requests")
    axes[0][0].legend(fontsize="small")
    # The same figures make the same file, and text stays text.
    with mpl.rc_context({"svg.hashsalt": "sonic", "svg.fonttype": "none"}):
        figure.savefig(file, metadata={"Date": None})


def _curve(axes: Axes, seconds: list[float], measured: list[float] | list[int], predicted: Band) -> None:
    axes.fill_between(
        seconds, predicted.low, predicted.high, step="post", color=_PREDICTED, alpha=0.2, label="predicted, 5 to 95 %"
    )
    axes.plot(
        seconds, predicted.middle, color=_PREDICTED, drawstyle="steps-post", linewidth=1, label="predicted, median"
    )
    axes.plot(seconds, measured, color=_MEASURED, drawstyle="steps-post", linewidth=1.2, label="measured")
