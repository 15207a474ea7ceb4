"""An update is done when its promised pods are ready, and fails when they cannot become so."""

import asyncio

import pulumi
import pytest

from access.cluster import UnreachableError
from components.rollout import Promise
from diagnosis import hooks
from diagnosis.rollout import State, progress
from diagnosis.snapshot import Snapshot
from tests.support.snapshots import (
    DEPLOYMENT,
    crashed,
    deployment,
    named,
    of_pods,
    pod,
    refused,
    replica_set,
    snapshot,
    unscheduled,
    waiting,
    warning,
)

PROMISE = Promise(deployment=DEPLOYMENT, pods_min=2, start_seconds=300, pull_seconds=1200)
SCALED = Promise(deployment=DEPLOYMENT, pods_min=2, start_seconds=300, pull_seconds=1200, autoscaled=True)


def test_all_pods_of_the_present_template_are_the_end() -> None:
    assert progress(snapshot(deployments=[deployment(replicas=2, ready=2)]), PROMISE).state is State.DONE


@pytest.mark.parametrize(
    "status",
    [
        {"updatedReplicas": 1},
        {"availableReplicas": 1},
        {"replicas": 3},
        {"observedGeneration": 1},
    ],
    ids=["one of the revision before", "one not ready", "one of the revision before besides", "not looked at yet"],
)
def test_less_than_all_pods_is_not_the_end(status: dict[str, int]) -> None:
    found = snapshot(deployments=[{**deployment(replicas=2), "status": {**READY, **status}}])
    assert progress(found, PROMISE).state is State.UNDER_WAY


READY = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}


def test_a_pool_under_keda_is_not_done_below_its_minimum() -> None:
    scaled = {"metadata": named(DEPLOYMENT, age_seconds=5)}
    found = snapshot(deployments=[deployment(replicas=1, ready=1)], scaled_objects=[scaled])
    assert progress(found, SCALED).state is State.UNDER_WAY


def test_a_pool_is_done_with_one_server_and_a_warning_where_keda_does_not_run() -> None:
    scaled = {"metadata": named(DEPLOYMENT, age_seconds=31)}
    found = snapshot(deployments=[deployment(replicas=1, ready=1)], scaled_objects=[scaled])
    state = progress(found, SCALED)
    assert (state.state, state.warning) == (State.DONE, True)
    assert state.text.endswith("2 are the minimum: KEDA has not looked at its ScaledObject yet")


def test_an_autoscaler_may_want_more_than_the_minimum() -> None:
    found = snapshot(deployments=[deployment(replicas=5, ready=4)])
    assert progress(found, SCALED).state is State.UNDER_WAY


FAILED = {
    "a crash at each start": of_pods(pod("p", container=crashed(restarts=2))),
    "an image that is not there": of_pods(
        pod("p", age_seconds=61, container=waiting("ImagePullBackOff", "not found")),
    ),
    "a Secret that is not there": of_pods(
        pod("p", age_seconds=61, container=waiting("CreateContainerConfigError", 'secret "s3" not found')),
    ),
    "no node for longer than a start": of_pods(unscheduled("p", "0/3 nodes: Insufficient gpu", age_seconds=301)),
    "pods that a quota refuses": snapshot(
        deployments=[deployment(replicas=2, **refused("exceeded quota: gpus", seconds=21))]
    ),
    "a volume that cannot be mounted": of_pods(
        pod("p", age_seconds=61), events=[warning("p", "FailedMount", "server refused the export")]
    ),
}
HOPEFUL = {
    "a first crash": of_pods(pod("p", container=crashed(restarts=1))),
    "a registry that is away for a moment": of_pods(
        pod("p", age_seconds=30, container=waiting("ErrImagePull", "time-out"))
    ),
    "a large image": of_pods(pod("p", age_seconds=900, container=waiting("ContainerCreating", ""))),
    "models that load": of_pods(pod("p", age_seconds=299, container={"state": {"running": {}}})),
    "a node that is about to come": of_pods(unscheduled("p", "0/3 nodes: Insufficient gpu", age_seconds=299)),
    "a quota that an old pod still uses": snapshot(
        deployments=[deployment(replicas=2, **refused("exceeded quota: gpus", seconds=19))]
    ),
}


@pytest.mark.parametrize("found", FAILED.values(), ids=FAILED.keys())
def test_a_rollout_that_cannot_succeed_ends_with_its_cause(found: Snapshot) -> None:
    state = progress(found, PROMISE)
    assert state.state is State.FAILED
    assert len(state.causes) == 1


@pytest.mark.parametrize("found", HOPEFUL.values(), ids=HOPEFUL.keys())
def test_a_rollout_that_may_succeed_goes_on(found: Snapshot) -> None:
    assert progress(found, PROMISE).state is State.UNDER_WAY


def test_pods_of_the_revision_before_fail_no_rollout() -> None:
    sets = [replica_set(1), replica_set(2)]
    found = snapshot(
        deployments=[deployment(replicas=2)], replica_sets=sets, pods=[pod("old", revision=1, container=crashed())]
    )
    assert progress(found, PROMISE).state is State.UNDER_WAY


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_POLL_SECONDS", 0)


def wait(*found: Snapshot | Exception, promise: Promise = PROMISE) -> list[str]:
    """Wait with a cluster that looks so, one after the other; return what is told meanwhile."""
    told: list[str] = []
    answers = iter(found)

    async def look() -> Snapshot:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    asyncio.run(hooks.wait(look, [promise], told.append, stack="purdue-cms"))
    return told


@pytest.mark.usefixtures("hurried")
def test_what_is_missing_is_told_once_for_each_change() -> None:
    none, one, all_ready = (snapshot(deployments=[deployment(replicas=2, ready=ready)]) for ready in (0, 1, 2))
    told = wait(none, none, one, UnreachableError("connection refused"), one, all_ready)
    assert told == [f"{ready} of 2 pods of {DEPLOYMENT} are ready" for ready in (0, 1)]


@pytest.mark.usefixtures("hurried")
def test_a_failed_rollout_names_the_model_and_the_next_command() -> None:
    log = ["I1127 loading", "E1127 1 model_lifecycle.cc:654] \"failed to load 'm' version 1: Internal: no such op\""]
    with pytest.raises(pulumi.RunError) as error:
        wait(of_pods(pod("p", container=crashed()), log=log))
    assert str(error.value) == (
        f"0 of 2 pods of {DEPLOYMENT} are ready\n"
        "pod p, container triton: model `m` does not load: Internal: no such op (3 restarts)\n"
        f"  log      {log[1]}\n"
        "  way out  correct the model in its repository, or take it out of experiment.models.expected\n"
        "The pods of the revision before go on serving. Correct the cause and run pulumi up again; "
        "more: python -m stacks why purdue-cms"
    )


@pytest.mark.usefixtures("hurried")
def test_a_rollout_in_which_nothing_moves_ends() -> None:
    impatient = Promise(deployment=DEPLOYMENT, pods_min=2, start_seconds=0, pull_seconds=0)
    still = snapshot(deployments=[deployment(replicas=2)], events=[], pods=[])
    with pytest.raises(pulumi.RunError, match="nothing has changed for 0 s"):
        wait(still, still, promise=impatient)
