"""The loads: a step, a ramp, a day, and a campaign of 2,500 jobs. A load is in servers that it keeps busy."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.autoscaling.clients import Clients, JobKind, Jobs, Load, OpenLoop, Wave
from benchmarks.autoscaling.server import ServerKind

_STEP_FROM, _STEP_TO = 0.5, 6.0
_MINUTE = 60.0
_HOUR = 3600.0

_JOB = JobKind(load=0.008, seconds=900.0)
_WAVES = (
    Wave(start_seconds=600, jobs=700),
    Wave(start_seconds=1200, jobs=900),
    Wave(start_seconds=3300, jobs=300),
    Wave(start_seconds=3600, jobs=600),
)
_CAMPAIGN_END_MARGIN = 1.02
"""For clairvoyance: jobs take a little longer than without any wait."""

_DAY_PEAKS = ((10.0, 2.0, 4.0), (15.0, 2.5, 5.5))
"""Hour, width in hours, and height of the users' peaks."""
_NIGHT_BATCH = (22.0, 24.0, 3.0)
"""Hours of a job that runs at night, and its load."""
_DAY_BASE = 0.6
_DAY_NOISE = 0.15


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A load over time, and its clients."""

    name: str
    title: str
    seconds: float
    step_seconds: float
    """Time step of the simulation."""
    servers_max: int
    servers_min: int = 1
    load: Load
    """Load if no request waited."""
    changes: int
    """Times that the load rises or falls."""
    surge: tuple[float, float] | None = None
    """Begin and end of the high load, where it begins at once."""
    waves: Sequence[Wave] = ()
    """Jobs that wait for their answers; none: nothing slows the requests."""
    sent_seconds: Sequence[float] = ()
    """Times of the requests of a measured run, in order; none: they are drawn by the load."""

    def clients(self, kind: ServerKind) -> Clients:
        """Return the senders of a new run."""
        return Jobs(self.waves, _JOB, kind) if self.waves else OpenLoop(self.load, kind)


def step() -> Trace:
    """Half a server's load, at once six servers' for half an hour, and half a server's again."""
    begin, end = 600.0, 2400.0
    return Trace(
        name="step",
        title=f"step from {_STEP_FROM:g} to {_STEP_TO:g} servers' load",
        seconds=4200,
        step_seconds=0.25,
        servers_max=20,
        load=lambda now: _STEP_TO if begin <= now < end else _STEP_FROM,
        changes=2,
        surge=(begin, end),
    )


def ramp() -> Trace:
    """The same loads; up and down take twenty minutes each."""

    def load(now: float) -> float:
        rising, falling = (now - 10 * _MINUTE) / (20 * _MINUTE), (70 * _MINUTE - now) / (20 * _MINUTE)
        return _STEP_FROM + (_STEP_TO - _STEP_FROM) * min(1.0, max(0.0, min(rising, falling)))

    return Trace(
        name="ramp",
        title=f"ramp from {_STEP_FROM:g} to {_STEP_TO:g} servers' load and back, 20 min each",
        seconds=100 * _MINUTE,
        step_seconds=0.25,
        servers_max=20,
        load=load,
        changes=2,
    )


def day(seed: int) -> Trace:
    """A day: users in the morning and in the afternoon, a job at night, and noise from minute to minute."""
    draw = random.Random(seed)  # noqa: S311  no secret
    noise = [0.0]
    for _ in range(24 * 60):
        noise.append(0.9 * noise[-1] + draw.gauss(0, _DAY_NOISE * math.sqrt(1 - 0.9**2)))

    def load(now: float) -> float:
        hour = now / _HOUR
        users = sum(height * math.exp(-(((hour - peak) / width) ** 2)) for peak, width, height in _DAY_PEAKS)
        begin, end, height = _NIGHT_BATCH
        batch = height if begin <= hour < end else 0.0
        return float((_DAY_BASE + users + batch) * math.exp(noise[int(now // _MINUTE)]))

    return Trace(
        name="day",
        title="a day of users, and a job at night",
        seconds=24 * _HOUR,
        step_seconds=1.0,
        servers_max=20,
        load=load,
        changes=6,
    )


def campaign() -> Trace:
    """2,500 jobs in four waves. Each waits for its answer before it goes on."""

    def load(now: float) -> float:
        job = JobKind(load=_JOB.load, seconds=_JOB.seconds * _CAMPAIGN_END_MARGIN)
        return job.offered(_WAVES, now)

    return Trace(
        name="campaign",
        title=f"{sum(wave.jobs for wave in _WAVES):,} jobs in {len(_WAVES)} waves",
        seconds=6600,
        step_seconds=0.25,
        servers_max=20,
        load=load,
        changes=2 * len(_WAVES),
        surge=(_WAVES[0].start_seconds, _WAVES[1].start_seconds),
        waves=_WAVES,
    )
