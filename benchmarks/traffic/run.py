"""A whole run: equipment, benchmarks one after the other, table."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.loopback.equipment import STEPS, facts, open_lab
from benchmarks.loopback.process import BenchmarkError
from benchmarks.table import Row
from benchmarks.traffic import capacity, disturbances, envoy_roll, limiter, proxy_cost, skew
from benchmarks.traffic.scenario import Scenario
from devcluster.progress import Progress, duration

_SCENARIOS: Mapping[str, Sequence[Callable[[bool], Sequence[Scenario]]]] = {
    "B1": (disturbances.scenarios, envoy_roll.scenarios),
    "B2": (proxy_cost.scenarios,),
    "B3": (skew.scenarios,),
    "B5": (limiter.scenarios,),
    "B6": (capacity.scenarios,),
}
KEYS = tuple(_SCENARIOS)
"""The benchmarks, in the order in which they run. B4, the autoscaler's, needs a cluster."""


def run(*, only: Sequence[str], quick: bool, seed: int) -> None:
    """Run benchmarks and print their table.

    Args:
        only: keys of the benchmarks.
        quick: one short pair of blocks each.
        seed: draws arrivals and orders.

    Raises:
        BenchmarkError: it cannot start, or a benchmark could not be measured; the others were, and are in the table.
        DevClusterError: Envoy or Triton cannot be had.
    """
    scenarios = [scenario for key in only for make in _SCENARIOS[key] for scenario in make(quick)]
    progress = Progress(STEPS + sum(scenario.steps for scenario in scenarios))
    print(f"About {duration(sum(scenario.seconds for scenario in scenarios))}, on loopback addresses only.", flush=True)
    rows: list[Row] = []
    failures: list[str] = []
    with open_lab(progress, seed) as lab:
        lab.results.describe({"benchmarks": list(only), "quick": quick, **facts(lab)})
        try:
            for scenario in scenarios:
                try:
                    rows += scenario.run(lab)
                except BenchmarkError as error:  # the others are still worth their hour
                    failures.append(str(error))
        finally:
            table = lab.results.finish(rows)
    print(f"\n{table}\n\nEach request, each block, all versions: {lab.results.directory}")
    if failures:
        raise BenchmarkError("; ".join(failures))
