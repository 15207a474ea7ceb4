"""The suites of servers in Slurm jobs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.offload import agent_looks, chep_comparison, path_cost, scale_up
from benchmarks.offload.offload_equipment import SECONDS, facts, open_offload, steps
from benchmarks.offload.offload_lab import OffloadLab
from benchmarks.suite import Scenario, Suite

_SCENARIOS: Mapping[str, Callable[[bool], Sequence[Scenario[OffloadLab]]]] = {
    path_cost.KEY: path_cost.scenarios,
    chep_comparison.KEY: chep_comparison.scenarios,
    scale_up.KEY: scale_up.scenarios,
}
KEYS = (*_SCENARIOS, agent_looks.KEY)
"""The benchmarks, in the order in which they run."""


def suites(*, only: Sequence[str], quick: bool) -> list[Suite[Any]]:
    """Return the suites with these benchmarks; the agent's needs no cluster."""
    found: list[Suite[Any]] = []
    if scenarios := [scenario for key, make in _SCENARIOS.items() if key in only for scenario in make(quick)]:
        found.append(
            Suite(
                keys=tuple(key for key in _SCENARIOS if key in only),
                where="in the development cluster with Slurm",
                scenarios=scenarios,
                setup_steps=steps(),
                setup_seconds=SECONDS,
                open=open_offload,
                facts=facts,
            )
        )
    return [*found, *([agent_looks.suite(quick=quick)] if agent_looks.KEY in only else [])]
