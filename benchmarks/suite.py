"""A run: suites one after the other, and one table of all."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from benchmarks.bench import Bench
from benchmarks.errors import BenchmarkError
from benchmarks.result_table import Row
from benchmarks.results import Results
from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.progress import Progress, duration

Equipment = TypeVar("Equipment", bound=Bench)
Needs = TypeVar("Needs", bound=Bench, contravariant=True)


class Scenario(Protocol[Needs]):
    """One experiment."""

    @property
    def steps(self) -> int:
        """Steps of progress."""

    @property
    def seconds(self) -> float:
        """About how long it takes."""

    def run(self, lab: Needs, /) -> list[Row]:
        """Measure it."""


@dataclass(frozen=True, kw_only=True)
class Suite(Generic[Equipment]):
    """Scenarios that share their equipment."""

    keys: Sequence[str]
    """Their names, such as B1."""
    where: str
    """Place of the run, printed before it."""
    scenarios: Sequence[Scenario[Equipment]]
    setup_steps: int
    """Steps of progress that the equipment takes."""
    setup_seconds: float
    """About how long it takes."""
    open: Callable[[Progress, Results, int], AbstractContextManager[Equipment]]
    """Starts the equipment, and ends it on exit."""
    facts: Callable[[Equipment], Mapping[str, object]]
    """Returns versions and hashes of the equipment."""

    @property
    def seconds(self) -> float:
        """About how long all of it takes."""
        return self.setup_seconds + sum(scenario.seconds for scenario in self.scenarios)


def run_suites(suites: Sequence[Suite[Any]], *, quick: bool, seed: int) -> None:
    """Run benchmarks and print their table.

    Args:
        suites: run one after the other.
        quick: whether they are short, for the record.
        seed: draws arrivals and orders.

    Raises:
        BenchmarkError: a suite or a scenario failed; the table has the rows of the others.
    """
    for suite in suites:
        print(f"About {duration(suite.seconds)}, {suite.where}: {', '.join(suite.keys)}.", flush=True)
    progress = Progress(
        sum(suite.setup_steps + sum(scenario.steps for scenario in suite.scenarios) for suite in suites)
    )
    results = Results(datetime.now().astimezone())
    keys = [key for suite in suites for key in suite.keys]
    results.describe({"benchmarks": keys, "quick": quick, "seed": seed, "commit": _commit()})
    rows: list[Row] = []
    failures: list[str] = []
    try:
        for suite in suites:
            try:
                with suite.open(progress, results, seed) as lab:
                    results.describe(suite.facts(lab))
                    _measure(suite, lab, rows, failures)
            except DevClusterError as error:  # keep the rows that were measured before
                failures.append(str(error))
    finally:
        table = results.finish(rows)
    print(f"\n{table}\n\nAll requests, blocks and versions: {results.directory}")
    if failures:
        raise BenchmarkError("; ".join(failures))


def _measure(suite: Suite[Equipment], lab: Equipment, rows: list[Row], failures: list[str]) -> None:
    """Run the scenarios of a suite, and go on after one that fails."""
    for scenario in suite.scenarios:
        try:
            rows += scenario.run(lab)
        except DevClusterError as error:
            failures.append(str(error))


def _commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
