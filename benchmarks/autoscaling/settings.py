"""Settings: what the thresholds, steps and waits of ours do, and what they cost on other servers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from benchmarks.autoscaling import signals
from benchmarks.autoscaling.comparison import Line, Result, follow, foresee, table
from benchmarks.autoscaling.policies import ours, supersonic
from benchmarks.autoscaling.policy import Policy
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.signals import Signal
from benchmarks.autoscaling.traces import Trace
from benchmarks.bench import Bench
from benchmarks.result_table import Row
from stacks.schema.experiment import Scaling

KEY = "settings"

WAITING, BUSY = "waiting-work", "busy-servers"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of the table."""

    title: str
    policy: Policy
    kind: ServerKind = field(default_factory=ServerKind)


def with_threshold(policy: Policy, name: str, threshold: float) -> Policy:
    """Return a policy with another threshold of one metric."""
    metrics = [replace(each, threshold=threshold) if each.name == name else each for each in policy.metrics]
    return replace(policy, metrics=metrics)


def with_signal(policy: Policy, name: str, signal: Signal) -> Policy:
    """Return a policy with another arithmetic of one metric."""
    metrics = [replace(each, signal=signal) if each.name == name else each for each in policy.metrics]
    return replace(policy, metrics=metrics)


def settings(servers_max: int) -> Iterator[Setting]:
    """Yield the settings around the defaults."""
    default = ours(Scaling(servers_max=servers_max))
    yield Setting(title="defaults", policy=default)
    yield from _thresholds(default)
    yield from _steps(servers_max)
    yield from _arriving(default)
    yield from _together(servers_max)


def _thresholds(default: Policy) -> Iterator[Setting]:
    """Yield other thresholds, and windows of rates."""
    for busy in (0.6, 0.7, 0.8, 0.9):
        yield Setting(title=f"busy {busy:g}", policy=with_threshold(default, BUSY, busy))
    for target_ms in (20, 100, 1_000, 5_000, 10_000, 20_000, 30_000, 60_000):
        yield Setting(title=f"waiting work {target_ms:,} ms", policy=with_threshold(default, WAITING, target_ms))
    for window in (15, 30, 60, 120):
        signal = partial(signals.busy_servers, executions_per_server=1, window_seconds=window)
        policy = with_signal(default, BUSY, signal)
        yield Setting(title=f"rate of executions over {window} s", policy=policy)


def _steps(servers_max: int) -> Iterator[Setting]:
    """Yield other steps and waits of the HPA."""
    for up in (1, 2, 8):
        yield Setting(title=f"up by {up}", policy=_ours(servers_max, scale_up_servers=up))
    for period in (15, 30, 60, 120):
        policy = _ours(servers_max, scale_up_period_seconds=period)
        yield Setting(title=f"up by 4 or twice as many in {period} s", policy=policy)
    for wait in (120, 300, 600):
        for down in (1, 2, 4):
            keys = {"scale_down_wait_seconds": wait, "scale_down_servers": down}
            yield Setting(title=f"down after {wait} s by {down}", policy=_ours(servers_max, **keys))


def _together(servers_max: int) -> Iterator[Setting]:
    """Yield candidates for defaults."""
    for wait, down in ((300, 2), (180, 2), (180, 4), (120, 4), (60, 4)):
        keys = {"scale_up_period_seconds": 60, "scale_down_wait_seconds": wait, "scale_down_servers": down}
        policy = _ours(servers_max, **keys)
        for target_ms in (100, 1_000):
            title = f"up in 60 s, down after {wait} s by {down}, waiting work {target_ms:,} ms"
            yield Setting(title=title, policy=with_threshold(policy, WAITING, target_ms))


def servers(servers_max: int) -> Iterator[Setting]:
    """Yield the defaults, and SuperSONIC's, on other servers."""
    scaling = Scaling(servers_max=servers_max)
    kinds = {
        **{f"models load for {seconds} s": ServerKind(load_seconds=seconds) for seconds in (10, 30, 120)},
        **{f"requests of {ms} ms": ServerKind(service_seconds=ms / 1000) for ms in (2, 10, 200)},
        "2 instances": ServerKind(instances=2),
        "4 instances": ServerKind(instances=4),
        "4 instances, no GPU utilization": ServerKind(instances=4, gpu_fraction=None),
        "no GPU utilization": ServerKind(gpu_fraction=None),
        "GPU in use for half of an execution": ServerKind(gpu_fraction=0.5),
    }
    for title, kind in kinds.items():
        for policy in (supersonic(), ours(scaling)):
            yield Setting(title=f"{title}: {policy.name}", policy=policy, kind=kind)
    declared = ours(scaling.model_copy(update={"executions_per_server": 4}))
    title = "4 instances, no GPU utilization, declared: ours"
    yield Setting(title=title, policy=declared, kind=ServerKind(instances=4, gpu_fraction=None))


def _ours(servers_max: int, **keys: float) -> Policy:
    return ours(Scaling.model_validate({"servers_max": servers_max, **keys}))


def _arriving(default: Policy) -> Iterator[Setting]:
    """Yield the rate of arriving requests instead of busy servers."""
    signal = partial(signals.arriving_work, default_service_ms=Scaling.model_fields["service_time_ms"].default)
    for target_ms in (1_000, 10_000, 30_000):
        policy = with_signal(with_threshold(default, WAITING, target_ms), BUSY, signal)
        yield Setting(title=f"arriving work, waiting work {target_ms:,} ms", policy=policy)


@dataclass(frozen=True, kw_only=True)
class SettingsTable:
    """Settings on one load, one line each."""

    name: str
    """Of the file, together with the load's."""
    of: Callable[[int], Iterator[Setting]]
    """Returns the settings for the largest number of servers."""
    trace: Trace
    repetitions: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        count = len(list(self.of(self.trace.servers_max)))
        return self.repetitions * count * self.trace.seconds / self.trace.step_seconds * 3e-5

    def run(self, bench: Bench) -> list[Row]:
        """Simulate them, and write the table; they have no row in that of the run."""
        seeds = range(bench.seed, bench.seed + self.repetitions)
        with bench.progress.step(f"{self.name} on {self.trace.name}"):
            text = self.table(seeds)
            bench.results.file(f"{self.name}-{self.trace.name}.md").write_text(f"{text}\n")
        return []

    def table(self, seeds: Sequence[int]) -> str:
        """Return the table."""
        bounds: dict[ServerKind, Result] = {}
        lines = {}
        for setting in self.of(self.trace.servers_max):
            if setting.kind not in bounds:
                bounds[setting.kind] = foresee(self.trace, setting.kind, seeds)
            result = follow(setting.policy, self.trace, setting.kind, seeds)
            lines[setting.title] = Line(scores=result.median, bound=bounds[setting.kind].median)
        return table("setting", lines)
