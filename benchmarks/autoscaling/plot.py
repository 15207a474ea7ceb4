"""The plot of a load: servers and waits of each policy over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.autoscaling.simulation import Run

_POINTS = 600


def draw(runs: Mapping[str, Run], *, file: Path) -> None:
    """Draw the load and each policy's pods, and below the wait of a new request, as SVG.

    Args:
        runs: policy -> its run; all of one load.
        file: gets the plot.
    """
    any_run = next(iter(runs.values()))
    figure = Figure(figsize=(10, 6), layout="constrained")
    servers, waits = figure.subplots(2, 1, sharex=True)
    times = [second / 60 for second in _thinned(any_run.timeline.seconds)]
    servers.plot(times, _thinned(any_run.timeline.load), color="black", linestyle=":", label="load")
    for name, run in runs.items():
        servers.plot(times, _thinned(run.timeline.pods), linewidth=1, drawstyle="steps-post", label=name)
        waits.plot(times, _thinned(run.timeline.next_seconds), linewidth=1, label=name)
    servers.set(title=any_run.trace.title, ylabel="pods with a GPU", ylim=(0, None))
    servers.legend(fontsize="small", ncols=2)
    waits.set(xlabel="minutes", ylabel="wait of a new request (s)", yscale="symlog", ylim=(0, None))
    # The same figures make the same file, and text stays text.
    with mpl.rc_context({"svg.hashsalt": "sonic", "svg.fonttype": "none"}):
        figure.savefig(file, metadata={"Date": None})


def _thinned(values: Sequence[float]) -> list[float]:
    every = max(1, len(values) // _POINTS)
    return list(values[::every])
