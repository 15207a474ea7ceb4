"""B5: a load of three times the capacity, five of six requests from one of two tenants."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.loopback.controlled_envoy import controlled
from benchmarks.loopback.fleet import PACED, Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.load_client import Client
from benchmarks.loopback.samples import Sample, causes, failed
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import ours, supersonic
from benchmarks.result_table import Row
from benchmarks.statistics import percentile
from benchmarks.traffic.refusals import Refusals, refusals_by_envoy_ms, refusals_of
from benchmarks.traffic.speed import measure_speed
from components.envoy import AdmissionArgs
from stacks.schema.clients import Tenant, TokenClients
from stacks.schema.experiment import Admission
from testbed.authority import Authority
from testbed.fairness import jain
from testbed.issuer import Issuer, files_for_tokens

KEY = "B5"

SERVERS = (1, 2)
PACE_MS = 10.0
IN_FLIGHT_PER_SERVER_MAX = 50
"""The last of so many waits for half a second."""
SLO_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
OVERLOAD, CALM = 3.0, 0.8
"""Offered load as a multiple of the capacity."""
OF_TENANT: Mapping[str, float] = {"heavy": 5 / 6, "light": 1 / 6}
"""Tenant -> share of the requests."""

_CAPACITY_SECONDS = 7
_START_SECONDS = 3
_TOKEN_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Block:
    """Requests of one side, with the capacity of its servers."""

    samples: Mapping[str, Sequence[Sample]]
    """By tenant."""
    capacity_per_second: float
    duration_seconds: float

    @property
    def in_time(self) -> dict[str, int]:
        """Tenant -> requests answered within the SLO and before the end of the load."""
        return {
            tenant: sum(
                sample.ok and sample.latency_seconds <= SLO_SECONDS and sample.ended_seconds <= self.duration_seconds
                for sample in samples
            )
            for tenant, samples in self.samples.items()
        }

    @property
    def goodput(self) -> float:
        """Answers in time as a fraction of the capacity."""
        return sum(self.in_time.values()) / (self.capacity_per_second * self.duration_seconds)

    @property
    def fairness(self) -> float:
        """Jain's index of the tenants' answers in time; each tenant offers at least half of the capacity."""
        return jain(list(self.in_time.values()))


@dataclass(frozen=True, kw_only=True)
class Overload:
    """Both sides under overload, and ours below its capacity."""

    duration_seconds: float
    calm_seconds: float
    steps: int = 4

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        blocks = 2 * self.duration_seconds + DEADLINE_SECONDS + self.calm_seconds
        return _CAPACITY_SECONDS + blocks + 4 * _START_SECONDS

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        with issuer_on_loopback() as (issuer, files):
            return self._measure(lab, issuer, files)

    def _measure(self, lab: Lab, issuer: Issuer, files: Mapping[str, str]) -> list[Row]:
        clients, admission = shared(issuer)
        side = replace(ours(clients=clients, admission=admission), slug="ours-shared", files=files)
        lab.serve({server: Work(model=PACED, pace_ms=PACE_MS) for server in SERVERS})
        with lab.progress.step("overload: capacity of the servers"):
            capacity = _capacity(lab)
        with lab.progress.step("calm: ours"), controlled(lab, side, admission, members=len(SERVERS)) as envoy:
            calm = self._block(lab, envoy, capacity, issuer, CALM, self.calm_seconds)[0]
        with (
            lab.progress.step("overload: ours"),
            controlled(lab, side, admission, members=len(SERVERS)) as envoy,
        ):
            own, refusals = self._block(lab, envoy, capacity, issuer, OVERLOAD, self.duration_seconds)
            decided_ms = refusals_by_envoy_ms(envoy)
        # Theirs is last: its servers go on with requests that clients have given up.
        with lab.progress.step(f"overload: {supersonic().name}"), lab.envoy(supersonic(), len(SERVERS)) as envoy:
            theirs = self._block(lab, envoy, capacity, issuer, OVERLOAD, self.duration_seconds)[0]
        return _rows(theirs, own, refusals, decided_ms, calm)

    def _block(
        self, lab: Lab, envoy: Envoy, capacity: float, issuer: Issuer, factor: float, seconds: float
    ) -> tuple[Block, Refusals]:
        with ExitStack() as started:
            tenants: dict[str, Client] = {}
            for number, (tenant, part) in enumerate(OF_TENANT.items()):
                load = _load(envoy.target, factor * capacity * part, seconds, seed=lab.seed + number)
                load = replace(load, token=token(issuer, tenant))
                name = f"load-{factor:g}-{envoy.side.slug}-{tenant}"
                tenants[tenant] = started.enter_context(lab.client(load, name))
            tenants["heavy"].sleep_until(0)
            refusals = refusals_of(envoy.target, token(issuer, "heavy"), seconds)
            samples = {tenant: client.samples() for tenant, client in tenants.items()}
        return Block(samples=samples, capacity_per_second=capacity, duration_seconds=seconds), refusals


def scenarios(quick: bool) -> list[Overload]:
    """One block of each side."""
    return [Overload(duration_seconds=6, calm_seconds=3) if quick else Overload(duration_seconds=60, calm_seconds=30)]


@contextmanager
def issuer_on_loopback() -> Iterator[tuple[Issuer, Mapping[str, str]]]:
    """Start an issuer of tokens; yield it with the files by which an Envoy trusts its certificate."""
    authority = Authority("the benchmarks' authority")
    with Issuer("https://issuer.benchmark.test", authority.sign_host("localhost")) as issuer:
        yield issuer, files_for_tokens(authority)


def token(issuer: Issuer, tenant: str) -> str:
    """Return a token of a member of the tenant's group, valid for an hour."""
    claims: dict[str, Any] = {"wlcg.groups": [f"/{tenant}"], "exp": int(time.time()) + _TOKEN_SECONDS}
    return issuer.token(**claims)


def shared(issuer: Issuer) -> tuple[TokenClients, AdmissionArgs]:
    """Return clients of two tenants with equal shares, and the limit for both."""
    tenants = tuple(Tenant(name=tenant, groups=(f"/{tenant}",)) for tenant in OF_TENANT)
    admission = AdmissionArgs(
        declared=Admission(requests_in_flight_per_server_max=IN_FLIGHT_PER_SERVER_MAX),
        servers_max=len(SERVERS),
        query="none: no wait is declared",
        prometheus_url="http://127.0.0.1:1",
        prometheus_peers=[],
        tenants=tenants,
        image="none: it runs beside its Envoy here",
    )
    return TokenClients(kind="token", issuers=(issuer.fact(),), tenants=tenants), admission


def _capacity(lab: Lab) -> float:
    """Return the capacity of the servers in requests per second, from the service time of each."""
    with ThreadPoolExecutor() as pool:
        speeds = pool.map(lambda server: measure_speed(lab, f"overload-speed-{server}", server), SERVERS)
        return sum(1 / speed.busy_seconds for speed in speeds)


def _load(target: str, rate_per_second: float, seconds: float, *, seed: int) -> Load:
    return Load(
        targets=(target,),
        rate_per_second=rate_per_second,
        duration_seconds=seconds,
        seed=seed,
        model=PACED,
        deadline_seconds=DEADLINE_SECONDS,
    )


def _rows(theirs: Block, own: Block, refusals: Refusals, decided_ms: Sequence[float], calm: Block) -> list[Row]:
    refused_calmly = sum(failed(samples) for samples in calm.samples.values())
    sent_calmly = sum(len(samples) for samples in calm.samples.values())
    client_ms, envoy_ms = percentile(refusals.milliseconds, 99), percentile(decided_ms, 99)
    load = f"{OVERLOAD:g} x capacity ({own.capacity_per_second:.0f}/s)"
    row = partial(Row, benchmark=KEY)
    return [
        row(
            measure=f"{load}: answered within {SLO_SECONDS:g} s, to capacity",
            theirs=f"{theirs.goodput:.3f}",
            ours=f"{own.goodput:.3f}",
            aim="≥ 0.95",
            reached=own.goodput >= 0.95,
        ),
        row(measure="the other requests", theirs=_why(theirs), ours=_why(own)),
        row(
            measure="two tenants, 5:1 offered, 1:1 declared: Jain's index of answers in time",
            theirs=f"{theirs.fairness:.3f}",
            ours=f"{own.fairness:.3f}",
            aim="≥ 0.98",
            reached=own.fairness >= 0.98,
        ),
        *(
            row(measure=f"p99 of a refusal, {measure}", ours=ours_ms, aim="≤ 2", reached=p99_ms <= 2)
            for measure, p99_ms, ours_ms in (
                ("seen by a client with one request at a time, ms", client_ms, f"{client_ms:.1f}"),
                ("in Envoy's access log, whole ms", envoy_ms, f"{envoy_ms:.0f}"),
            )
        ),
        row(
            measure="that client's refusals with 8 or 14 and retry advice",
            ours=f"{refusals.as_declared} of {len(refusals.milliseconds)}",
            aim="all",
            reached=0 < len(refusals.milliseconds) == refusals.as_declared,
        ),
        row(
            measure=f"{CALM:g} x capacity: refused or lost",
            ours=f"{refused_calmly:,} of {sent_calmly:,}",
            aim="0",
            reached=refused_calmly == 0,
        ),
    ]


def _why(block: Block) -> str:
    late = sum(sample.ok for samples in block.samples.values() for sample in samples) - sum(block.in_time.values())
    found = causes(sample for samples in block.samples.values() for sample in samples)
    return ", ".join([f"{late:,} late or after the end", *(f"{count:,} {status}" for status, count in found.items())])
