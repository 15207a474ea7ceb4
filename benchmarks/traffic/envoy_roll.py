"""B1: requests lost when the Envoys themselves are replaced."""

import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.traffic import blocks
from benchmarks.traffic.server_events import ENDPOINTS_SECONDS, LEAD_SECONDS
from testbed.child_process import Usage
from testbed.service_stub import ServiceStub

_SERVERS = (1, 2, 3, 4, 5, 6)
_RATE_PER_SECOND = 60.0
_SLEEP_MS = 400.0
"""Long requests, so that on average 24 are in progress."""
_DEADLINE_SECONDS = 10.0
_BETWEEN_SECONDS = 15.0
"""From the deletion of one Envoy to that of the next: longer than our drain."""
_DURATION_SECONDS = LEAD_SECONDS + 2 * _BETWEEN_SECONDS


@dataclass(frozen=True, kw_only=True)
class EnvoyRoll(blocks.PairedScenario):
    """Two Envoys behind a Service are replaced, one after the other, by two that are ready.

    SuperSONIC is done a favour: its new Envoy really counts as ready while it is still being installed by apt-get,
    since it has no readiness probe, and clients are sent to it. Here it is ready.
    """

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.pairs * 2 * (_DURATION_SECONDS + 5) + (self.pairs + 1) * 8

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""

        def direct(name: str) -> float:
            lab.serve(dict.fromkeys(_SERVERS, Work()))
            return lab.direct_p50_ms(name, _load("", lab.seed))

        comparison = blocks.compare(
            lab,
            "envoy-roll",
            (supersonic(), ours()),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=direct,
            run=lambda side, name, seed: self._block(lab, side, name, seed),
        )
        row = Row(
            benchmark="B1",
            measure="roll of 2 Envoys: lost",
            theirs=blocks.lost(comparison.theirs),
            ours=blocks.lost(comparison.ours),
            aim="0",
            reached=sum(block.failed for block in comparison.ours) == 0,
            rejected=comparison.rejected,
        )
        return [row]

    def _block(self, lab: Lab, side: Side, name: str, seed: int) -> blocks.Measured:
        with ExitStack() as stack:
            old = [stack.enter_context(lab.envoy(side, len(_SERVERS))) for _ in range(2)]
            new = [stack.enter_context(lab.envoy(side, len(_SERVERS))) for _ in range(2)]
            service = stack.enter_context(ServiceStub([envoy.grpc_port for envoy in old]))
            client = stack.enter_context(lab.client(_load(service.target, seed), name))
            standing, ends = [*old], []
            for step in range(2):
                client.sleep_until(LEAD_SECONDS + step * _BETWEEN_SECONDS)
                standing[step] = new[step]
                ends.append(_Stop(old[step]))
                _forget(service, standing)
            lab.progress.waiting("the requests to end")
            samples = client.samples()
            used = [*(end.usage() for end in ends), *(envoy.process.usage() for envoy in new)]
        return blocks.Measured(
            samples=samples,
            cpu_seconds=sum(usage.cpu_seconds for usage in used),
            peak_memory_mib=max(usage.peak_memory_mib for usage in used),
        )


class _Stop:
    """Stops an Envoy as the kubelet stops a deleted pod: preStop hook, then SIGTERM."""

    def __init__(self, envoy: Envoy) -> None:
        self._envoy = envoy
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def usage(self) -> Usage:
        """Return CPU and memory of the Envoy at its end."""
        self._thread.join()
        return self._usage

    def _run(self) -> None:
        if hook := self._envoy.pre_stop():
            subprocess.run(hook, check=False)
        self._usage = self._envoy.process.usage()
        self._envoy.process.end()


def _forget(service: ServiceStub, standing: list[Envoy]) -> None:
    """Change the Service's endpoints with the delay of a cluster."""
    threading.Timer(ENDPOINTS_SECONDS, service.set_ports, [[envoy.grpc_port for envoy in standing]]).start()


def scenarios(quick: bool) -> list[EnvoyRoll]:
    """The roll; quick, one pair."""
    return [EnvoyRoll(pairs=1 if quick else 2)]


def _load(target: str, seed: int) -> Load:
    return Load(
        targets=(target,),
        rate_per_second=_RATE_PER_SECOND,
        duration_seconds=_DURATION_SECONDS,
        seed=seed,
        sleep_ms=_SLEEP_MS,
        deadline_seconds=_DEADLINE_SECONDS,
    )
