"""The suite on loopback."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from benchmarks.loopback.equipment import STEPS, facts, open_lab
from benchmarks.loopback.lab import Lab
from benchmarks.results import Results
from benchmarks.suite import Scenario, Suite
from benchmarks.traffic import (
    capacity,
    disturbances,
    envoy_roll,
    limiter_decisions,
    overload,
    proxy_cost,
    skew,
    throughput,
)
from benchmarks.traffic.long_wait import LongWait
from devcluster.progress import Progress

_SCENARIOS: Mapping[str, Sequence[Callable[[bool], Sequence[Scenario[Lab]]]]] = {
    "B1": (disturbances.scenarios, envoy_roll.scenarios),
    "B2": (proxy_cost.scenarios, throughput.scenarios),
    "B3": (skew.scenarios,),
    "B5": (limiter_decisions.scenarios, overload.scenarios),
    "B6": (capacity.scenarios,),
}
KEYS = tuple(_SCENARIOS)
"""The benchmarks, in the order in which they run. B4, the autoscaler's, needs a cluster."""


def suite(*, only: Sequence[str], quick: bool) -> Suite[Lab]:
    """Return the suite of these benchmarks; quick, one short pair of blocks each, and without the longest wait."""
    scenarios = [scenario for key in only for make in _SCENARIOS[key] for scenario in make(quick)]
    wait = LongWait() if "B6" in only and not quick else None

    @contextmanager
    def opened(progress: Progress, results: Results, seed: int) -> Iterator[Lab]:
        with open_lab(progress, results, seed) as lab, wait.begun(lab) if wait else nullcontext():
            yield lab

    return Suite(
        keys=tuple(only),
        where="on loopback addresses only",
        scenarios=[*scenarios, *([wait] if wait else [])],
        setup_steps=STEPS,
        setup_seconds=0,
        open=opened,
        facts=facts,
    )
