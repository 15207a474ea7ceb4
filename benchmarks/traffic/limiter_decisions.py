"""B5: decisions on new jobs, for each answer that Prometheus may give.

A job asks for the repository's index once, at its start. Refused, a CMS job computes on its own CPU; let in by
mistake, it adds to an overload; refused by mistake, GPUs idle.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import grpc
from tritonclient.grpc import service_pb2

from benchmarks import peer
from benchmarks.loopback import grpc_messages
from benchmarks.loopback.controlled_envoy import controlled
from benchmarks.loopback.fleet import GRPC_PORT, Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.traffic.refusals import STATUSES
from components.envoy import AdmissionArgs
from stacks.schema.experiment import Admission
from testbed.prometheus_stub import CLOSED, PrometheusStub, vector

KEY = "B5"

THRESHOLD_MS = 100.0
SETTLE_SECONDS = 2.5
"""Ours asks once a second and tells Envoy once a second: two, and a half for a machine that is busy."""
_TIMEOUT_SECONDS = 20

Decision = Literal["accept", "refuse"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One answer of Prometheus, and the right decision for a threshold of 100 ms."""

    title: str
    values: tuple[str, ...] | None
    """One for each series; None: Prometheus is down."""
    right: Decision
    whole_seconds: bool = False
    """True for a time stamp without a fraction, as one in a thousand is."""

    @property
    def said(self) -> str:
        """As the table shows it."""
        return self.title if self.values is None else f"Prometheus says {self.title}"

    def answer(self) -> bytes:
        """Return the body of Prometheus' answer, as of now."""
        if self.values is None:
            return CLOSED
        second = int(time.time())
        return vector(*self.values, at_seconds=second if self.whole_seconds else second + 0.123)


CASES = (
    Case(title="5", values=("5",), right="accept"),
    Case(title="500", values=("500",), right="refuse"),
    Case(title="5, whole seconds as time stamp", values=("5",), right="accept", whole_seconds=True),
    Case(title="no series yet", values=(), right="accept"),
    Case(title="NaN, idle", values=("NaN",), right="accept"),
    Case(title="1e-05", values=("1e-05",), right="accept"),
    Case(title="two series, 5 and 500", values=("5", "500"), right="refuse"),
    Case(title="Prometheus is down", values=None, right="accept"),
)
"""The policy, set before any limiter was measured."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Answer that a client got."""

    status: grpc.StatusCode
    answered: bool
    """True if the answer is a message with a model in it."""

    @property
    def decision(self) -> Decision:
        """`accept` only for OK with a message: theirs refuses with OK and no message."""
        return "accept" if self.status is grpc.StatusCode.OK and self.answered else "refuse"

    def right(self, case: Case) -> bool:
        """Return True if the decision is right and a refusal has the right status."""
        return self.decision == case.right and (self.decision == "accept" or self.status in STATUSES)

    def __str__(self) -> str:
        return self.decision if self.decision == "accept" else f"refuse ({self.status.name})"


def supersonic_limited(prometheus_port: int) -> Side:
    """Return SuperSONIC with its limiter by load enabled."""
    limit = peer.LoadLimit(prometheus_host="127.0.0.1", prometheus_port=prometheus_port, threshold=THRESHOLD_MS)
    config = peer.bootstrap(host=SERVICE_NAME, port=GRPC_PORT, load_limit=limit)
    return replace(supersonic(), slug="supersonic-limited", config=config)


def admission_by_load(prometheus_url: str) -> AdmissionArgs:
    """Return the same policy for ours: new jobs are refused from a wait of 100 ms."""
    return AdmissionArgs(
        declared=Admission(queue_refuse_new_jobs_ms=THRESHOLD_MS),
        servers_max=1,
        query=peer.DEFAULT_QUERY,
        prometheus_url=prometheus_url,
        prometheus_peers=[],
        image="none: it runs beside its Envoy here",
    )


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """All cases on both sides."""

    steps: int = 2
    seconds: float = 10 + len(CASES) * SETTLE_SECONDS

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        lab.serve({1: Work()})
        with PrometheusStub() as prometheus:
            limited, admission = supersonic_limited(prometheus.port), admission_by_load(prometheus.url)
            with lab.progress.step(f"limiter: {limited.name}"), lab.envoy(limited, 1) as envoy:
                theirs = decisions(envoy, prometheus, settle_seconds=0)
            side = ours(admission=admission)
            with lab.progress.step("limiter: ours"), controlled(lab, side, admission, members=1) as envoy:
                own = decisions(envoy, prometheus, settle_seconds=SETTLE_SECONDS)
        rows = [
            Row(
                benchmark=KEY,
                measure=f"{case.said}: should {case.right}",
                theirs=str(theirs[case.title]),
                ours=str(own[case.title]),
                reached=own[case.title].right(case),
            )
            for case in CASES
        ]
        return [*rows, _total_row(theirs, own)]


def scenarios(quick: bool) -> list[Decisions]:
    """The table of decisions, which is short anyway."""
    del quick
    return [Decisions()]


def decisions(envoy: Envoy, prometheus: PrometheusStub, *, settle_seconds: float) -> dict[str, Outcome]:
    """Return title of each case -> answer to a new job, `settle_seconds` after Prometheus' answer changed.

    Theirs asks Prometheus within the request; ours once a second beside it.
    """
    outcomes = {}
    for case in CASES:
        prometheus.answer = case.answer()
        time.sleep(settle_seconds)
        outcomes[case.title] = ask_for_index(envoy.target)
    return outcomes


def ask_for_index(target: str) -> Outcome:
    """Ask as a job does, on a connection of its own: gRPC would share one among the channels of a process."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = grpc_messages.unary(channel, grpc_messages.REPOSITORY_INDEX)
        try:
            answer = ask(service_pb2.RepositoryIndexRequest().SerializeToString(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return Outcome(status=error.code(), answered=False)
    return Outcome(status=grpc.StatusCode.OK, answered=bool(answer))


def _total_row(theirs: Mapping[str, Outcome], own: Mapping[str, Outcome]) -> Row:
    def told(outcomes: Mapping[str, Outcome]) -> str:
        decided = sum(outcomes[case.title].decision == case.right for case in CASES)
        return f"{decided} decided right, {_right(outcomes)} with the right status, of {len(CASES)}"

    return Row(
        benchmark=KEY,
        measure="decisions",
        theirs=told(theirs),
        ours=told(own),
        aim=f"all {len(CASES)}",
        reached=_right(own) == len(CASES),
    )


def _right(outcomes: Mapping[str, Outcome]) -> int:
    return sum(outcomes[case.title].right(case) for case in CASES)
