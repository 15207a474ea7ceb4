"""B5: whether a new job is let in, for everything that Prometheus may answer.

A job asks for the repository's index once, at its start. Refused, a CMS job computes on its own CPU; let in by
mistake, it adds to an overload; refused by mistake, GPUs idle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import grpc
from tritonclient.grpc import service_pb2

from benchmarks import peer
from benchmarks.loopback import wire
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.prometheus_stub import PrometheusStub, vector
from benchmarks.loopback.sides import SERVICE_NAME, Side, supersonic
from benchmarks.loopback.triton import GRPC_PORT, Work
from benchmarks.table import Row

KEY = "B5"

_TIMEOUT_SECONDS = 20
_REFUSALS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""Try elsewhere (14), or over your share (8)."""

Decision = Literal["accept", "refuse"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One answer of Prometheus, and what follows from it when the threshold is 100."""

    title: str
    body: str | None
    """What Prometheus answers; None: it is down."""
    right: Decision


CASES = (
    Case(title="5", body=vector("5"), right="accept"),
    Case(title="500", body=vector("500"), right="refuse"),
    Case(title="5, whole seconds as time stamp", body=vector("5", time="1763800000"), right="accept"),
    Case(title="no series yet", body=vector(), right="accept"),
    Case(title="NaN, idle", body=vector("NaN"), right="accept"),
    Case(title="1e-05", body=vector("1e-05"), right="accept"),
    Case(title="two series, 5 and 500", body=vector("5", "500"), right="refuse"),
    Case(title="Prometheus is down", body=None, right="accept"),
)
"""The policy, written down before any limiter was measured."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a client saw."""

    status: grpc.StatusCode
    answered: bool
    """Whether there was a message, with a model in it."""

    @property
    def decision(self) -> Decision:
        """Whether the client was let in, however that was said."""
        return "accept" if self.status is grpc.StatusCode.OK and self.answered else "refuse"

    def right(self, case: Case) -> bool:
        """Whether the decision is right, and a refusal says so by its status."""
        return self.decision == case.right and (self.decision == "accept" or self.status in _REFUSALS)

    def __str__(self) -> str:
        return self.decision if self.decision == "accept" else f"refuse ({self.status.name})"


def supersonic_limited(prometheus_port: int) -> Side:
    """SuperSONIC with its limiter by load switched on."""
    limit = peer.LoadLimit(prometheus_host="127.0.0.1", prometheus_port=prometheus_port)
    config = peer.bootstrap(host=SERVICE_NAME, port=GRPC_PORT, load_limit=limit)
    return replace(supersonic(), slug="supersonic-limited", config=config)


def ours_limited(_prometheus_port: int) -> Side | None:
    """Ours with its admission by load, once it has one; None until then."""
    return None


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """All cases on both sides."""

    steps: int = 2
    seconds: float = 60

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        lab.serve({1: Work()})
        with PrometheusStub() as prometheus:
            theirs = _decide(lab, supersonic_limited(prometheus.port), prometheus)
            ours = _decide(lab, ours_limited(prometheus.port), prometheus)
        rows = [
            Row(
                benchmark=KEY,
                measure=f"Prometheus says {case.title}: should {case.right}",
                theirs=str(theirs[case.title]),
                ours=str(ours.get(case.title, "-")),
                reached=ours[case.title].right(case) if ours else None,
            )
            for case in CASES
        ]
        return [*rows, _total_row(theirs, ours)]


def scenarios(quick: bool) -> list[Decisions]:
    """The table of decisions, which is short anyway."""
    del quick
    return [Decisions()]


def _decide(lab: Lab, side: Side | None, prometheus: PrometheusStub) -> dict[str, Outcome]:
    with lab.progress.step(f"limiter: {side.name if side else 'ours, which has none yet'}"):
        if side is None:
            return {}
        with lab.envoy(side, 1) as envoy:
            outcomes = {}
            for case in CASES:
                prometheus.body = case.body
                outcomes[case.title] = ask_for_index(envoy.target)
            return outcomes


def ask_for_index(target: str) -> Outcome:
    """Ask as a job does, on a connection of its own: gRPC would share one among the channels of a process."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = wire.unary(channel, wire.REPOSITORY_INDEX)
        try:
            answer = ask(service_pb2.RepositoryIndexRequest().SerializeToString(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return Outcome(status=error.code(), answered=False)
    return Outcome(status=grpc.StatusCode.OK, answered=bool(answer))


def _total_row(theirs: Mapping[str, Outcome], ours: Mapping[str, Outcome]) -> Row:
    def told(outcomes: Mapping[str, Outcome]) -> str:
        decided = sum(outcomes[case.title].decision == case.right for case in CASES)
        return f"{decided} decided right, {_right(outcomes)} with the right status, of {len(CASES)}"

    return Row(
        benchmark=KEY,
        measure="decisions",
        theirs=told(theirs),
        ours=told(ours) if ours else "-",
        aim=f"all {len(CASES)}",
        reached=_right(ours) == len(CASES) if ours else None,
    )


def _right(outcomes: Mapping[str, Outcome]) -> int:
    return sum(outcomes[case.title].right(case) for case in CASES)
