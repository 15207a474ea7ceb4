"""B7: servers that one request ends, and requests lost when a server of five crashes among many in progress.

The servers are stand-ins, processes that speak Triton's protocol: what counts is Envoy's way with broken connections.
"""

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from benchmarks.bench import Cores
from benchmarks.loopback.fleet import GRPC_PORT
from benchmarks.loopback.lab import ProxyLab
from benchmarks.loopback.load import Load
from benchmarks.loopback.side_envoy import digest
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.results import BlockResult, Results, block_result
from benchmarks.statistics import block_orders
from benchmarks.suite import Suite
from benchmarks.traffic import blocks
from components.envoy.validate import find_envoy
from devcluster.progress import Progress
from testbed.dns_stub import DnsStub, Zone
from testbed.proxy_client import begin, channel, outcome
from testbed.stand_in_process import DEADLY, StandInProcess

KEY = "B7"

_ADDRESSES = tuple(f"127.0.2.{index}" for index in range(1, 6))
_SERVERS_ENDED_MAX = 2
_RATE_PER_SECOND = 300.0
_ANSWER_SECONDS = 0.3
_EVENT_SECONDS = 1.0
_DURATION_SECONDS = 2.0
_DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class StandInLab(ProxyLab):
    """Five stand-ins behind the Envoys."""

    _servers: dict[str, StandInProcess] = field(default_factory=dict)

    def serve(self) -> None:
        """Start the servers that do not run."""
        self.progress.waiting("five servers to be ready")
        for address in _ADDRESSES:
            if address in self.ended():
                self._servers[address] = StandInProcess(address, GRPC_PORT, delay_seconds=_ANSWER_SECONDS).__enter__()
        for address in _ADDRESSES:
            with grpc.insecure_channel(f"{address}:{GRPC_PORT}") as direct:
                grpc.channel_ready_future(direct).result(timeout=60)

    def ended(self) -> list[str]:
        """Return the servers that do not run."""
        return [address for address in _ADDRESSES if not (server := self._servers.get(address)) or not server.running]

    def crash(self) -> None:
        """`kill -9` of the first server."""
        self._servers[_ADDRESSES[0]].kill()

    def close(self) -> None:
        """End all servers."""
        for server in self._servers.values():
            server.__exit__()


@dataclass(frozen=True, kw_only=True)
class Ending:
    """One end of a server among other requests, in blocks of both sides."""

    deadly: bool
    """True: a request ends it. False: it crashes by itself."""
    pairs: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 2 * self.pairs

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.steps * (_DURATION_SECONDS + 5)

    @property
    def _name(self) -> str:
        return "deadly-request" if self.deadly else "crash-of-five"

    def run(self, lab: StandInLab) -> list[Row]:
        """Measure it."""
        sides = (supersonic(), ours())
        measured: dict[str, list[BlockResult]] = {side.slug: [] for side in sides}
        ended: dict[str, list[int]] = {side.slug: [] for side in sides}
        for block, order in enumerate(block_orders(self.pairs, lab.seed)):
            for side in (sides[index] for index in order):
                with lab.progress.step(f"{self._name}: {side.name}, block {block + 1} of {self.pairs}"):
                    result, servers = self._block(lab, side, block)
                measured[side.slug].append(result)
                ended[side.slug].append(servers)
        theirs, own = (measured[side.slug] for side in sides)
        if not self.deadly:
            title = f"crash of 1 of 5 servers, {self.pairs} times, {_RATE_PER_SECOND * _ANSWER_SECONDS:.0f} in progress"
            lost = sum(block.failed for block in own)
            return [_row(f"{title}: lost", blocks.lost(theirs), blocks.lost(own), "0", lost == 0)]
        title = f"a request ends its server, 5 servers, {self.pairs} times"
        most = max(ended[sides[1].slug])
        most_ended = _row(
            f"{title}: servers ended, most",
            str(max(ended[sides[0].slug])),
            str(most),
            f"≤ {_SERVERS_ENDED_MAX}",
            most <= _SERVERS_ENDED_MAX,
        )
        return [most_ended, _row(f"{title}: other requests lost", blocks.lost(theirs), blocks.lost(own), "-", None)]

    def _block(self, lab: StandInLab, side: Side, block: int) -> tuple[BlockResult, int]:
        lab.serve()
        with lab.envoy(side, len(_ADDRESSES)) as envoy:
            load = Load(
                targets=(envoy.target,),
                rate_per_second=_RATE_PER_SECOND,
                duration_seconds=_DURATION_SECONDS,
                seed=lab.seed + block,
                deadline_seconds=_DEADLINE_SECONDS,
            )
            with lab.client(load, f"{self._name}-{block}-{side.slug}") as client:
                client.sleep_until(_EVENT_SECONDS)
                if self.deadly:
                    outcome(begin(channel(envoy.target), body=DEADLY, deadline_seconds=_DEADLINE_SECONDS))
                else:
                    lab.crash()
                samples = client.samples()
        time.sleep(0.1)  # a process that was killed is gone
        result = block_result(
            samples,
            scenario=self._name,
            block=block,
            side=side.slug,
            cpu_seconds=math.nan,
            peak_memory_mib=math.nan,
            direct_p50_ms=math.nan,
            deadline_seconds=_DEADLINE_SECONDS,
        )
        lab.results.add(result)
        return result, len(lab.ended())


def suite(*, quick: bool) -> Suite[StandInLab]:
    """Return the suite; quick, two pairs of blocks each."""
    pairs = 2 if quick else 16
    return Suite(
        keys=(KEY,),
        where="on loopback addresses only, with stand-ins for Triton",
        scenarios=[Ending(deadly=False, pairs=pairs), Ending(deadly=True, pairs=pairs)],
        setup_steps=0,
        setup_seconds=0,
        open=_opened,
        facts=_facts,
    )


@contextmanager
def _opened(progress: Progress, results: Results, seed: int) -> Iterator[StandInLab]:
    with ExitStack() as stack:
        lab = StandInLab(
            dns=stack.enter_context(DnsStub(Zone(name=SERVICE_NAME, addresses=_ADDRESSES))),
            envoy_binary=Path(find_envoy()),
            scratch=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonic-benchmark-"))),
            results=results,
            progress=progress,
            cores=Cores(),
            seed=seed,
        )
        stack.callback(lab.close)
        yield lab


def _facts(_lab: StandInLab) -> Mapping[str, object]:
    return {"configurations": {side.slug: digest(side.config) for side in (supersonic(), ours())}}


def _row(measure: str, theirs: str, own: str, aim: str, reached: bool | None) -> Row:
    return Row(benchmark=KEY, measure=measure, theirs=theirs, ours=own, aim=aim, reached=reached)
