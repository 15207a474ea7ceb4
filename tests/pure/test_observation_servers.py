"""The state of each server, from its pod as the API server writes it."""

from typing import Any

import pytest

from components.labels import JOB_COMPONENT, TUNNEL_LABEL
from observation.servers import Server, State, age, servers
from tests.support.observed import FIRST, SECOND, THIRD, server
from tests.support.snapshots import NOW, Json, crashed, moment, waiting


def only(pod: Json) -> Server:
    (found,) = servers([pod], NOW)
    return found


UNSCHEDULED = ({"type": "PodScheduled", "status": "False", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu."},)
NOT_READY = ({"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"})

STATES: dict[str, tuple[Json, State, str]] = {
    "ready": (server(), State.READY, ""),
    "loading its models": (server(conditions=NOT_READY), State.STARTING, "its models load"),
    "making its container": (
        server(conditions=NOT_READY, **waiting("ContainerCreating", "")),
        State.STARTING,
        "ContainerCreating",
    ),
    "crashing": (
        server(conditions=NOT_READY, **crashed()),
        State.FAILING,
        "CrashLoopBackOff; last run ended: Error, exit code 1",
    ),
    "without its image": (
        server(conditions=NOT_READY, **waiting("ImagePullBackOff", "Back-off pulling image")),
        State.FAILING,
        "ImagePullBackOff: Back-off pulling image",
    ),
    "without a node": (server(conditions=UNSCHEDULED, phase="Pending"), State.UNPLACED, UNSCHEDULED[0]["message"]),
    "stopping, and still ready": (
        server(metadata={"deletionTimestamp": moment(-45)}),
        State.DRAINING,
        "is killed in 45 s",
    ),
    "stopping for too long": (server(metadata={"deletionTimestamp": moment(9)}), State.DRAINING, "should be gone"),
}


@pytest.mark.parametrize("case", STATES)
def test_a_server_has_a_state_and_its_reason(case: str) -> None:
    pod, state, detail = STATES[case]
    found = only(pod)
    assert (found.state, found.detail) == (state, detail)


def test_a_ready_server_tells_why_it_was_restarted() -> None:
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": moment(300)}}
    found = only(server(restartCount=2, lastState=ended))
    assert (found.state, found.restarts) == (State.READY, 2)
    assert found.detail == "last run ended 5m ago: OOMKilled, exit code 137"


def test_servers_that_need_a_look_come_first() -> None:
    pods = [server(FIRST), server(SECOND, conditions=NOT_READY, **crashed()), server(THIRD, conditions=NOT_READY)]
    assert [found.name for found in servers(pods, NOW)] == [SECOND, THIRD, FIRST]


def test_a_pod_that_is_no_server_is_not_shown() -> None:
    assert servers([server("sonic-demo-envoy-5d8f-x2x4q", labels={"app.kubernetes.io/component": "envoy"})], NOW) == []


JOB: dict[str, Any] = {"labels": {"app.kubernetes.io/component": JOB_COMPONENT}}
TUNNEL: dict[str, Any] = {"labels": {"app.kubernetes.io/component": "tunnel", **TUNNEL_LABEL}}


def test_a_job_is_its_virtual_pod_until_it_has_a_tunnel() -> None:
    queued = server("sonic-demo-triton-hammer-a", phase="Pending", **JOB)
    running = server("sonic-demo-triton-hammer-b", **JOB)
    tunnel = server("wstunnel-sonic-demo-triton-hammer-b-sonic-demo-x-y", **TUNNEL)
    found = servers([queued, running, tunnel], NOW)
    assert [(each.name, each.state, each.detail) for each in found] == [
        ("sonic-demo-triton-hammer-a", State.UNPLACED, "its job waits in the queue"),
        ("wstunnel-sonic-demo-triton-hammer-b-sonic-demo-x-y", State.READY, ""),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (45, "45s"), (119, "119s"), (600, "10m"), (7200, "2h"), (400000, "5d")]
)
def test_an_age_is_written_as_kubectl_does(seconds: float, text: str) -> None:
    assert age(seconds) == text
