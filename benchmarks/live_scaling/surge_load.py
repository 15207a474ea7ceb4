"""A load that rises at once and falls again, for real servers and for the simulator."""

from dataclasses import dataclass

from benchmarks.autoscaling.traces import Trace
from benchmarks.loopback.load import Load

SERVICE_SECONDS = 0.5
"""Sleep of each request. It takes no CPU, so two cores carry the servers. With shorter requests, so many would wait
that Envoys refuse some: theirs more than 1,024 in progress, ours more than `requests_in_flight_per_server_max`."""
BATCH = 8
"""`max_batch_size` of `sleep_identity`: each request is executed alone."""
DEADLINE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class SurgeLoad:
    """A load, in servers that it keeps busy."""

    low: float
    """Before and after."""
    high: float
    begin_seconds: float
    end_seconds: float
    seconds: float
    """Duration in all."""
    servers_min: int
    servers_max: int

    def trace(self) -> Trace:
        """Return it for the simulator, in steps of one request's time."""
        return Trace(
            name="live",
            title=f"step from {self.low:g} to {self.high:g} servers' load, {self.end_seconds - self.begin_seconds:g} s",
            seconds=self.seconds,
            step_seconds=SERVICE_SECONDS,
            servers_min=self.servers_min,
            servers_max=self.servers_max,
            load=lambda now: self.high if self.begin_seconds <= now < self.end_seconds else self.low,
            changes=2,
            surge=(self.begin_seconds, self.end_seconds),
        )

    def lasting(self, target: str, seed: int) -> Load:
        """Return the requests that are sent all the time."""
        return requests(target, seed, servers=self.low, seconds=self.seconds)

    def added(self, target: str, seed: int) -> Load:
        """Return those that the surge adds."""
        seconds = self.end_seconds - self.begin_seconds
        return requests(target, seed, servers=self.high - self.low, seconds=seconds)


def requests(target: str, seed: int, *, servers: float, seconds: float) -> Load:
    """Return requests that keep so many servers busy."""
    return Load(
        targets=(target,),
        rate_per_second=servers / SERVICE_SECONDS,
        duration_seconds=seconds,
        seed=seed,
        sleep_ms=1000 * SERVICE_SECONDS,
        batch=BATCH,
        deadline_seconds=DEADLINE_SECONDS,
    )
