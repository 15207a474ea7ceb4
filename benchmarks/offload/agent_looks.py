"""Agent: one look of the agent of a Slurm cluster over 300 pods and 300 jobs, before stand-ins."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Cores
from benchmarks.errors import BenchmarkError
from benchmarks.offload import one_look
from benchmarks.result_table import BASELINE, Row
from benchmarks.results import Results
from benchmarks.statistics import drift, significant
from benchmarks.suite import Suite
from components.virtual_node import agent
from devcluster.progress import Progress
from testbed.slurm_site import SlurmSite

KEY = "agent"

_SERVERS = 300
_SECONDS_MAX = 5.0
_MEMORY_MIB_MAX = 128.0
_LOOKS = 2
"""Of one process: the first writes to every pod, the second to none."""
_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class AgentLooks:
    """The first and the second look of an agent that acts, in several processes."""

    processes: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.processes * 5.0

    def run(self, bench: Bench) -> list[Row]:
        """Measure it."""
        with (
            bench.progress.step(f"agent: {self.processes} times {_SERVERS} pods and jobs"),
            tempfile.TemporaryDirectory(prefix="sonic-benchmark-") as folder,
            SlurmSite(Path(folder)) as site,
        ):
            busy = bench.busy()
            look(site, servers=_SERVERS)  # the files are in the page cache then
            return rows([look(site, servers=_SERVERS) for _ in range(self.processes)], busy=busy)


def look(site: SlurmSite, *, servers: int) -> Mapping[str, Any]:
    """Run one process, which finds that many servers as no agent has seen them, and return what it prints.

    Raises:
        BenchmarkError: it failed, or did not see every job.
    """
    site.fill(servers)
    settings = site.folder / "agent.json"
    settings.write_text(json.dumps(asdict(replace(site.settings, act=True))))
    program = [sys.executable, one_look.__file__, str(settings), str(_LOOKS)]
    environment = {**os.environ, "PYTHONPATH": str(Path(agent.__file__).parents[1])}
    run = subprocess.run(
        program, env=environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
    )
    found: Mapping[str, Any] = json.loads(run.stdout) if run.returncode == 0 else {"metrics": ""}
    if f'state="RUNNING"}} {servers}.0' not in found["metrics"]:
        msg = f"the agent did not see {servers} jobs: {run.stderr.strip()[-500:]}"
        raise BenchmarkError(msg)
    return found


def rows(looks: Sequence[Mapping[str, Any]], *, busy: str = "") -> list[Row]:
    """Return the slowest look and the largest process.

    Args:
        looks: output of each process.
        busy: reason to reject the times; empty if there is none.
    """
    first, later = (max(each["seconds"][number] for each in looks) for number in range(_LOOKS))
    peak = max(each["peak_mib"] for each in looks)
    medians = [each["seconds"][-1] * 1000 for each in looks]
    rejected = busy or drift(medians[0], medians[-1], tolerance=0.25, what="look that writes nothing")
    title = f"{_SERVERS} pods and {_SERVERS} jobs of stand-ins, {len(looks)} times"
    return [
        _row(f"{title}: slowest first look, which writes to every pod, s", first, _SECONDS_MAX, rejected),
        _row(f"{title}: slowest later look, s", later, _SECONDS_MAX, rejected),
        _row(f"{title}: peak memory, MiB", peak, _MEMORY_MIB_MAX, ""),
    ]


def _row(measure: str, figure: float, most: float, rejected: str) -> Row:
    return Row(
        benchmark=KEY,
        measure=measure,
        compared=BASELINE,
        ours=significant(figure),
        aim=f"≤ {most:g}",
        reached=figure <= most,
        rejected=rejected,
    )


def suite(*, quick: bool) -> Suite[Bench]:
    """Return the suite; quick, two processes."""
    return Suite(
        keys=(KEY,),
        where="on loopback addresses only, with stand-ins for Slurm's commands and the API server",
        scenarios=[AgentLooks(processes=2 if quick else 5)],
        setup_steps=0,
        setup_seconds=0,
        open=_opened,
        facts=lambda _bench: {},
    )


@contextmanager
def _opened(progress: Progress, results: Results, seed: int) -> Iterator[Bench]:
    yield Bench(scratch=results.directory, results=results, progress=progress, cores=Cores(), seed=seed)
