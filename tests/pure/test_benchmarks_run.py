"""A run of several parts: what can be measured is in the table, whatever else fails."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.bench import Bench, Cores
from benchmarks.errors import BenchmarkError
from benchmarks.results import Results
from benchmarks.table import Row
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


def part(*experiments: Experiment, fails: bool = False) -> run.Part[Bench]:
    return run.Part(
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
    monkeypatch.setattr(run, "Results", partial(Results, root=tmp_path))


def test_all_parts_make_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    run.run([part(Experiment("first")), part(Experiment("second"))], quick=True, seed=1)
    printed = capsys.readouterr().out
    assert "B0 first" in printed
    assert "B0 second" in printed
    assert printed.count("measure") == 1


@pytest.mark.parametrize(
    "broken",
    [part(Experiment("lost", error="no cluster")), part(Experiment("lost"), fails=True)],
    ids=["an experiment", "the equipment"],
)
def test_what_fails_does_not_take_the_rest_with_it(
    broken: run.Part[Bench], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(BenchmarkError, match="no cluster"):
        run.run([part(Experiment("before")), broken, part(Experiment("after"))], quick=True, seed=1)
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
