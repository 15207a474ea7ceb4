"""B6: one request that takes as long as a client may have to wait."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from benchmarks.loopback.fleet import Fleet, Work, address, require_free
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.traffic.outcome import KEY, Outcome
from testbed.dns_stub import DnsStub, Zone

_WAIT_SECONDS = 600.0
_MARGIN_SECONDS = 15
_SERVERS = (21, 22)
"""One for each side, on addresses that no other experiment uses."""


@dataclass(kw_only=True)
class LongWait:
    """The request, on both sides at once and beside all other experiments, for neither has anything to do meanwhile.

    It is `begun` before them, with servers and a DNS stub of its own for each side, and `run` after them waits for the
    answers.
    """

    _attempts: Sequence[Callable[[], Outcome]] = field(default=(), init=False)

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes, the others being longer."""
        return 0

    @contextmanager
    def begun(self, lab: Lab) -> Iterator[None]:
        """Send the request."""
        require_free(_SERVERS[0])
        with ExitStack() as stack:
            fleet = Fleet(lab.fleet.installation)
            stack.callback(fleet.close)
            fleet.ensure({index: Work() for index in _SERVERS})
            self._attempts = [
                self._attempt(lab, fleet, index, side, stack)
                for index, side in zip(_SERVERS, (supersonic(), ours()), strict=True)
            ]
            yield

    def run(self, lab: Lab) -> list[Row]:
        """Wait for the answers."""
        with lab.progress.step(f"a wait of {_WAIT_SECONDS:g} s ends"):
            theirs, own = (attempt() for attempt in self._attempts)
        return [_row(theirs, own)]

    def _attempt(self, lab: Lab, fleet: Fleet, index: int, side: Side, stack: ExitStack) -> Callable[[], Outcome]:
        dns = stack.enter_context(DnsStub(Zone(name=SERVICE_NAME, addresses=(address(index),))))
        envoy = stack.enter_context(replace(lab, dns=dns, fleet=fleet).envoy(side, 1))
        load = Load(
            targets=(envoy.target,),
            rate_per_second=1,
            duration_seconds=1,
            process="fixed",
            seed=lab.seed,
            sleep_ms=_WAIT_SECONDS * 1000,
            deadline_seconds=_WAIT_SECONDS + _MARGIN_SECONDS,
            connections=1,
        )
        client = stack.enter_context(lab.client(load, f"wait-{_WAIT_SECONDS:g}s-{side.slug}"))

        def outcome() -> Outcome:
            return Outcome(samples=client.samples(), peak_memory_mib=envoy.process.usage().peak_memory_mib)

        return outcome


def _row(theirs: Outcome, own: Outcome) -> Row:
    def told(outcome: Outcome) -> str:
        (sample,) = outcome.samples
        return f"{sample.status} after {sample.latency_seconds:.1f} s"

    return Row(
        benchmark=KEY,
        measure=f"a wait of {_WAIT_SECONDS:g} s",
        theirs=told(theirs),
        ours=told(own),
        aim="0 failed",
        reached=own.failed == 0,
    )
