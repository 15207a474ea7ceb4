"""The suite of autoscaling in virtual time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.autoscaling import policy_comparison, settings
from benchmarks.autoscaling.policy_comparison import PolicyComparison
from benchmarks.autoscaling.settings import SettingsTable
from benchmarks.autoscaling.traces import campaign, day, ramp, step
from benchmarks.bench import Bench, Cores
from benchmarks.results import Results
from benchmarks.suite import Scenario, Suite
from devcluster.progress import Progress

KEYS = (policy_comparison.KEY, settings.KEY)
"""The benchmarks, in the order in which they run."""

_REPETITIONS = 5
_SETTINGS_REPETITIONS = 1


def suite(*, only: Sequence[str], quick: bool, seed: int) -> Suite[Bench]:
    """Return the suite; quick, two seeds of the shorter loads."""
    scenarios: list[Scenario[Bench]] = []
    if policy_comparison.KEY in only:
        repetitions = 2 if quick else _REPETITIONS
        traces = [step(), campaign()] if quick else [step(), ramp(), campaign(), day(seed)]
        scenarios += [PolicyComparison(trace=trace, repetitions=repetitions) for trace in traces]
    if settings.KEY in only:
        repetitions = 1 if quick else _SETTINGS_REPETITIONS
        scenarios += [
            SettingsTable(name=name, of=of, trace=trace, repetitions=repetitions)
            for name, of in (("settings", settings.settings), ("servers", settings.servers))
            for trace in (step(), campaign())
        ]
    return Suite(
        keys=tuple(key for key in KEYS if key in only),
        where="in virtual time, without any server",
        scenarios=scenarios,
        setup_steps=0,
        setup_seconds=0,
        open=_opened,
        facts=lambda _bench: {},
    )


@contextmanager
def _opened(progress: Progress, results: Results, seed: int) -> Iterator[Bench]:
    yield Bench(scratch=results.directory, results=results, progress=progress, cores=Cores(), seed=seed)
