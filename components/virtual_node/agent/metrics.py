"""The metrics of the agent, in Prometheus' text format."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HELP = {
    "sonic_slurm_queue_wait_seconds": ("gauge", "Time until a job of the pool would start, by sbatch --test-only"),
    "sonic_slurm_forecast_success": ("gauge", "1 if Slurm takes a job with the flags of the pool"),
    "sonic_slurm_jobs": ("gauge", "Jobs of the pool by state of Slurm"),
    "sonic_slurm_next_end_timestamp_seconds": (
        "gauge",
        "Time at which a running job reaches its limit next",
    ),
    "sonic_slurm_gpu_seconds_total": ("counter", "GPU time of the running jobs of the pool"),
    "sonic_slurm_queue_seconds_total": ("counter", "Time that jobs of the pool have waited"),
    "sonic_slurm_ended_jobs_total": ("counter", "Jobs of the pool that ended, as Slurm was told or early"),
    "sonic_virtual_node_condition": ("gauge", "1 if a condition of the virtual node is true"),
    "sonic_janitor_findings": ("gauge", "Disagreements between Slurm and Kubernetes"),
    "sonic_janitor_overdue": ("gauge", "Disagreements older than the grace period"),
    "sonic_janitor_actions_total": ("counter", "Actions on disagreements by outcome: done, failed, dry-run"),
    "sonic_agent_renewals_total": ("counter", "Restarts of a pool whose jobs reach their limit, by outcome"),
    "sonic_agent_answered": ("gauge", "1 if Slurm, or Kubernetes, answered the last look"),
    "sonic_agent_last_look_timestamp_seconds": ("gauge", "Time of the last complete look"),
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Values by name and labels."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, float]] = defaultdict(dict)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._values[name][_sorted(labels)] = value

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add to a counter."""
        series = self._values[name]
        series[_sorted(labels)] = series.get(_sorted(labels), 0.0) + value

    def forget(self, name: str) -> None:
        """Drop all series of a gauge: what a look does not set again is gone."""
        self._values[name].clear()

    def text(self) -> str:
        """Return all metrics."""
        return "".join(f"{line}\n" for name in HELP if self._values[name] for line in self._lines(name))

    def _lines(self, name: str) -> Iterator[str]:
        kind, meaning = HELP[name]
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} {kind}"
        for labels, value in sorted(self._values[name].items()):
            shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
            yield f"{name}{{{shown}}} {_number(value)}"


def _sorted(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else repr(float(value))
