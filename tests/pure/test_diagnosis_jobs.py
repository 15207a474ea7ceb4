"""Causes and progress of servers in Slurm, whose virtual pods fail one after the other and stay."""

from typing import Any

import pytest

from components.rollout import Promise
from diagnosis.envoy_view import EnvoyView, view_causes, view_lines
from diagnosis.pods import pod_causes
from diagnosis.rollout import State, progress
from tests.support.snapshots import DEPLOYMENT, moment, of_pods, pod, snapshot

PROMISE = Promise(deployment=DEPLOYMENT, pods_min=2, start_seconds=300, pull_seconds=600)
POOL = {"sonic.fastmachinelearning.org/pool": "hammer"}


def virtual(name: str, *, age_seconds: float = 10, **status: Any) -> dict[str, Any]:
    """A virtual pod."""
    found = pod(name, age_seconds=age_seconds)
    found["metadata"]["labels"] = {**POOL, "app.kubernetes.io/component": "slurm-job"}
    return {**found, "status": {**found["status"], **status}}


def failed(name: str, message: str, *, age_seconds: float = 10, reason: str = "Error") -> dict[str, Any]:
    return virtual(name, age_seconds=age_seconds, phase="Failed", reason=reason, message=message)


def ready(found: dict[str, Any], ip: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": moment(600)}
    return {**found, "status": {**found["status"], "podIP": ip, "conditions": [condition]}}


def tunnel(name: str) -> dict[str, Any]:
    found = pod(name)
    labels = {**POOL, "app.kubernetes.io/component": name, "sonic.fastmachinelearning.org/tunnel": "true"}
    found["metadata"]["labels"] = labels
    return found


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("ProviderFailed", "sbatch: error: invalid account", "its job was not submitted: sbatch: error"),
        ("Error", "SLURM job reached its time limit", "its job has ended at its time limit"),
        ("Error", "137", "its job has failed: 137"),
    ],
)
def test_the_cause_of_a_failed_job_is_slurms_own(reason: str, message: str, told: str) -> None:
    found = failed("a", message, reason=reason)
    (cause,) = pod_causes(of_pods(found), found)
    assert cause.finding.startswith(told)


def test_jobs_that_fail_again_and_again_end_the_update() -> None:
    jobs = [failed(name, "sbatch: error: invalid account", reason="ProviderFailed") for name in "abc"]
    found = progress(of_pods(*jobs, virtual("d")), PROMISE)
    assert found.state is State.FAILED
    assert "invalid account" in found.causes[0].finding


def test_jobs_that_ended_at_their_time_limit_do_not() -> None:
    jobs = [failed(name, "SLURM job reached its time limit", age_seconds=14400) for name in "abcd"]
    assert progress(of_pods(*jobs, virtual("e")), PROMISE).state is State.UNDER_WAY


def test_envoy_is_compared_with_tunnel_pods_not_with_virtual_ones() -> None:
    """A virtual pod keeps the address of a tunnel pod that was replaced."""
    found = snapshot(pods=[ready(virtual("v"), "10.0.0.1"), ready(tunnel("t"), "10.0.0.2")])
    view = EnvoyView(envoy="e", healthy={"10.0.0.2": True})
    assert list(view_causes(found, [view])) == []
    assert list(view_lines(found, [view])) == ["e sees 1 of 1 ready servers of pool hammer healthy"]
