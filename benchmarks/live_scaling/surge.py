"""Live: a surge before real KEDA, HPA, Prometheus and Triton of both sides, and before the simulator."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import mean

from benchmarks.autoscaling.comparison import CLAIRVOYANT, Line, follow, foresee, table
from benchmarks.autoscaling.policy import Policy
from benchmarks.autoscaling.scores import Scores, median, score
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.simulation import Run
from benchmarks.live_scaling.curves_plot import Curves, draw
from benchmarks.live_scaling.deviation import band
from benchmarks.live_scaling.live_lab import RESTING_SERVERS, LiveLab, ScaledSide
from benchmarks.live_scaling.live_rows import compared_rows, predicted_rows
from benchmarks.live_scaling.measured_run import first_change_seconds, measured_run, write_timeline
from benchmarks.live_scaling.observer import Recorder
from benchmarks.live_scaling.starts import Starts, measure
from benchmarks.live_scaling.surge_load import SERVICE_SECONDS, SurgeLoad
from benchmarks.result_table import Row
from benchmarks.statistics import block_orders

KEY = "live"

_STARTED_TOGETHER = 2
_BETWEEN_SECONDS = 150.0
"""About how long the starts and stops around a run take."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSide:
    """A side's run in the cluster."""

    run: Run
    starts: Starts
    """Of servers before the run."""
    kind: ServerKind
    """Its servers, for the simulator."""
    policy: Policy
    """Its autoscaler, with the measured time until Envoys know a ready server."""
    cpu_percent: float
    """Mean use of all CPUs of the machine during the run."""


@dataclass(frozen=True, kw_only=True)
class Surge:
    """One run of each side, and many of the simulator."""

    load: SurgeLoad
    seeds: int = 20
    """Runs of the simulator; at least two."""

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 3

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return 2 * (self.load.seconds + _BETWEEN_SECONDS)

    def run(self, lab: LiveLab) -> list[Row]:
        """Measure and simulate it."""
        sides = (lab.theirs, lab.ours)
        ((first, second),) = block_orders(1, lab.seed)
        measured, busy = {}, ""
        for scaled in (sides[first], sides[second]):
            with lab.progress.step(f"live: {self.load.trace().title}, {scaled.policy.name}"):
                busy = busy or lab.busy()
                measured[scaled.policy.name] = self._measure(lab, scaled)
        with lab.progress.step("simulate it"):
            return self._report(lab, {each.policy.name: measured[each.policy.name] for each in sides}, rejected=busy)

    def _measure(self, lab: LiveLab, scaled: ScaledSide) -> MeasuredSide:
        trace, target, name = self.load.trace(), scaled.side.target, f"live-{scaled.side.slug}"
        with lab.observed(scaled) as observer:
            starts = measure(observer, scaled.release, RESTING_SERVERS + _STARTED_TOGETHER, lab.progress.waiting)
            kind = ServerKind(
                service_seconds=SERVICE_SECONDS,
                gpu_fraction=None,
                start_seconds=starts.start_seconds,
                load_seconds=starts.load_seconds,
            )
            with (
                lab.autoscaled(scaled, self.load.servers_min),
                Recorder(observer) as recorder,
                lab.client(self.load.lasting(target, lab.seed), name) as lasting,
            ):
                lasting.sleep_until(self.load.begin_seconds)
                with lab.client(self.load.added(target, lab.seed + 1), f"{name}-surge") as added:
                    # The surge is where the trace has it, and all times count from there.
                    origin = added.start_monotonic_seconds - self.load.begin_seconds
                    lab.progress.waiting("the requests to end")
                    answered = [(client, client.samples()) for client in (added, lasting)]
        sent = sorted(
            client.start_monotonic_seconds - origin + each.sent_seconds
            for client, samples in answered
            for each in samples
        )
        run = measured_run(
            recorder.looks,
            [each for _, samples in answered for each in samples],
            trace=replace(trace, sent_seconds=sent),
            kind=kind,
            routing=scaled.policy.routing,
            origin_seconds=origin,
        )
        write_timeline(run, lab.results.file(f"{name}.csv"))
        cpu = mean(look.cpu_percent for look in recorder.looks)
        policy = replace(scaled.policy, times=starts.routed(scaled.policy.times, kind))
        return MeasuredSide(run=run, starts=starts, kind=kind, policy=policy, cpu_percent=cpu)

    def _report(self, lab: LiveLab, measured: Mapping[str, MeasuredSide], *, rejected: str) -> list[Row]:
        trace = self.load.trace()
        seeds = range(lab.seed, lab.seed + self.seeds)
        any_moment = {name: follow(side.policy, trace, side.kind, seeds).median for name, side in measured.items()}
        simulated = {name: self._simulate(side, seeds) for name, side in measured.items()}
        own = measured[lab.ours.policy.name]
        bound = foresee(trace, own.kind, seeds, own.policy.times).median
        predicted = {name: median([score(run) for run in runs]) for name, runs in simulated.items()}
        found = {name: score(side.run) for name, side in measured.items()}
        curves = {
            name: Curves(
                measured=side.run,
                servers=band(simulated[name], lambda timeline: timeline.pods),
                waiting=band(simulated[name], lambda timeline: timeline.waiting),
            )
            for name, side in measured.items()
        }
        draw(curves, file=lab.results.file("live.svg"))
        groups = {"measured": found, "simulated": predicted, "simulated, at any moment": any_moment}
        lab.results.file("live.md").write_text(f"{_table(groups, bound, lab.theirs.policy.name)}\n")
        lab.results.describe({"live": {name: _facts(side) for name, side in measured.items()}})
        theirs, ours = lab.theirs.policy.name, lab.ours.policy.name
        return [
            *compared_rows(KEY, trace, found[theirs], found[ours], bound, rejected=rejected),
            *(
                row
                for name in measured
                for row in predicted_rows(KEY, name, predicted[name], found[name], curves[name], rejected=rejected)
            ),
        ]

    def _simulate(self, side: MeasuredSide, seeds: Iterable[int]) -> list[Run]:
        """Simulate a side with its requests and the moments of its HPA: up to 15 s of a wait are chance."""
        trace = replace(self.load.trace(), sent_seconds=side.run.trace.sent_seconds)
        moment = first_change_seconds(side.run)
        return [follow(side.policy, trace, side.kind, [seed], decision_seconds=moment).run for seed in seeds]


def _table(groups: Mapping[str, Mapping[str, Scores]], bound: Scores, reference: str) -> str:
    lines = {
        f"{name}, {how}": Line(scores=scores[name], bound=bound, reference=scores[reference])
        for how, scores in groups.items()
        for name in scores
    }
    return table("policy", {**lines, CLAIRVOYANT: Line(scores=bound, bound=bound)})


def _facts(side: MeasuredSide) -> dict[str, object]:
    """Return the inputs of the simulator that were measured, and the load of the machine."""
    return {
        **{name: round(seconds, 2) for name, seconds in asdict(side.starts).items()},
        "scrape_seconds": side.policy.scrape_seconds,
        "times": {name: round(seconds, 2) for name, seconds in asdict(side.policy.times).items()},
        "cpu_percent": round(side.cpu_percent, 1),
    }
