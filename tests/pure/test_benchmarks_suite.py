"""A run of several suites keeps every row that it measured when a scenario or the equipment fails."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from benchmarks import suite
from benchmarks.bench import Bench, Cores
from benchmarks.errors import BenchmarkError
from benchmarks.result_table import Row
from benchmarks.results import Results
from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.progress import Progress


@dataclass(frozen=True)
class Experiment:
    measure: str
    error: str = ""
    steps: int = 1
    seconds: float = 60

    def run(self, _lab: Bench, /) -> list[Row]:
        if self.error:
            raise BenchmarkError(self.error)
        return [Row(benchmark="B0", measure=self.measure)]


@contextmanager
def opened(progress: Progress, results: Results, seed: int) -> Iterator[Bench]:
    yield Bench(scratch=results.directory, results=results, progress=progress, cores=Cores(), seed=seed)


@contextmanager
def unavailable(_progress: Progress, _results: Results, _seed: int) -> Iterator[Bench]:
    msg = "no cluster"
    raise DevClusterError(msg)
    yield


def suite_of(*experiments: Experiment, fails: bool = False) -> suite.Suite[Bench]:
    return suite.Suite(
        keys=("B0",),
        where="nowhere",
        scenarios=experiments,
        setup_steps=0,
        setup_seconds=0,
        open=unavailable if fails else opened,
        facts=lambda _lab: {},
    )


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "Results", partial(Results, root=tmp_path))


def test_all_suites_are_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    suite.run_suites([suite_of(Experiment("first")), suite_of(Experiment("second"))], quick=True, seed=1)
    printed = capsys.readouterr().out
    assert "B0 first" in printed
    assert "B0 second" in printed
    assert printed.count("measure") == 1


@pytest.mark.parametrize(
    "broken",
    [suite_of(Experiment("lost", error="no cluster")), suite_of(Experiment("lost"), fails=True)],
    ids=["an experiment", "the equipment"],
)
def test_a_failure_keeps_the_rows_of_the_other_suites(
    broken: suite.Suite[Bench], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(BenchmarkError, match="no cluster"):
        suite.run_suites([suite_of(Experiment("before")), broken, suite_of(Experiment("after"))], quick=True, seed=1)
    printed = capsys.readouterr().out
    assert "B0 before" in printed
    assert "B0 after" in printed
    (kept,) = tmp_path.rglob("table.md")
    assert kept.read_text().strip() in printed


def test_git_keeps_the_figures_of_a_run_and_ignores_its_single_requests() -> None:
    paths = [
        f"benchmarks/results/2030-01-01/120000/{name}"
        for name in ("table.md", "run.json", "blocks.csv", "requests/hang-0-ours.csv.gz")
    ]
    command = ["git", "check-ignore", "--no-index", *paths]
    ignored = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert ignored == paths[-1:]
