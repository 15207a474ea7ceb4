"""`why` tells KEDA's view of a pool and Envoy's view of its servers."""

import pytest

from diagnosis.autoscaling import scaling_lines
from diagnosis.envoy_view import EnvoyView, view_lines
from diagnosis.report import causes
from diagnosis.snapshot import Snapshot
from stacks.resolve import resolve
from tests.support.snapshots import DEPLOYMENT, Json, moment, named, pod, snapshot, warning

CONFIG = resolve("purdue-cms").config


def told(found: Snapshot, *views: EnvoyView) -> list[tuple[str, str]]:
    """Return subject and finding of each cause, and demand a way out of each."""
    listed = causes(found, CONFIG, [], views)
    assert all(cause.way_out for cause in listed)
    return [(cause.subject, cause.finding) for cause in listed]


def scaled(*conditions: tuple[str, str, str]) -> Json:
    """Return a ScaledObject with conditions: type, status, message."""
    found = [{"type": kind, "status": status, "message": message} for kind, status, message in conditions]
    return {"metadata": named(DEPLOYMENT), "status": {"conditions": found}}


def autoscaler(*conditions: tuple[str, str, str]) -> Json:
    """Return KEDA's HorizontalPodAutoscaler with conditions: type, status, reason."""
    found = [{"type": kind, "status": status, "reason": reason, "message": "m"} for kind, status, reason in conditions]
    return {
        "metadata": named(f"keda-hpa-{DEPLOYMENT}"),
        "spec": {"scaleTargetRef": {"name": DEPLOYMENT}},
        "status": {"conditions": found},
    }


WELL = scaled(("Ready", "True", ""), ("Active", "False", ""), ("Fallback", "False", ""))
NO_METRIC = scaled(("Ready", "False", "Triggers defined in ScaledObject are not working"))
SCALES = autoscaler(("AbleToScale", "True", ""), ("ScalingActive", "True", ""))
BLIND = autoscaler(("AbleToScale", "True", ""), ("ScalingActive", "False", "FailedGetExternalMetric"))


def test_a_pool_without_load_has_no_cause() -> None:
    assert told(snapshot(scaled_objects=[WELL], autoscalers=[SCALES])) == []
    assert list(scaling_lines(snapshot(scaled_objects=[WELL], autoscalers=[SCALES]))) == [
        f"ScaledObject {DEPLOYMENT}: Ready True, Active False, Fallback False",
        f"HorizontalPodAutoscaler keda-hpa-{DEPLOYMENT}: AbleToScale True, ScalingActive True",
    ]


def test_a_missing_metric_is_told_once_with_kedas_last_event() -> None:
    event = warning(DEPLOYMENT, "KEDAScalerFailed", "prometheus target may be lost, the result is empty")
    found = snapshot(scaled_objects=[NO_METRIC], autoscalers=[BLIND], events=[event])
    ((subject, finding),) = told(found)
    assert subject == f"ScaledObject {DEPLOYMENT}"
    assert "the result is empty" in finding


def test_an_autoscaler_that_gets_no_metric_from_a_keda_that_has_it_is_told() -> None:
    assert told(snapshot(scaled_objects=[WELL], autoscalers=[BLIND])) == [
        (f"HorizontalPodAutoscaler keda-hpa-{DEPLOYMENT}", "it does not scale, FailedGetExternalMetric: m")
    ]


@pytest.mark.parametrize(
    ("condition", "finding"),
    [
        (("Paused", "True", ""), "it is paused, so the number of servers does not change"),
        (("Fallback", "True", "3 failures"), "KEDA has no metric, and sets the number of its fallback: 3 failures"),
    ],
    ids=["paused", "fallback"],
)
def test_a_scaled_object_that_does_not_follow_the_load_is_told(condition: tuple[str, str, str], finding: str) -> None:
    ((_, found),) = told(snapshot(scaled_objects=[scaled(("Ready", "True", ""), condition)]))
    assert found.startswith(finding)


def test_a_scaled_object_that_keda_ignores_is_told() -> None:
    ignored = snapshot(scaled_objects=[{"metadata": named(DEPLOYMENT)}])
    assert told(ignored) == [
        (f"ScaledObject {DEPLOYMENT}", "KEDA has not looked at it, so the number of servers does not change")
    ]
    assert list(scaling_lines(ignored)) == [f"ScaledObject {DEPLOYMENT}: no condition yet"]


def server(name: str, ip: str, *, ready_seconds: float = 600) -> Json:
    """Return a ready server of the pool `af`."""
    found = pod(name, container={"ready": True, "state": {"running": {}}})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": moment(ready_seconds)}
    found["status"] |= {"podIP": ip, "conditions": [*found["status"]["conditions"], ready]}
    found["metadata"]["labels"] = {
        "app.kubernetes.io/component": "triton",
        "sonic.fastmachinelearning.org/pool": "af",
    }
    return found


SERVERS = snapshot(pods=[server("a", "10.0.0.1"), server("b", "10.0.0.2")])


def test_an_envoy_that_knows_all_servers_has_no_cause() -> None:
    view = EnvoyView(envoy="e", healthy={"10.0.0.1": True, "10.0.0.2": True, "10.0.0.9": False})
    assert told(SERVERS, view) == []
    assert list(view_lines(SERVERS, [view])) == ["e sees 2 of 2 ready servers of pool af healthy"]


def test_ready_servers_that_envoys_count_as_unhealthy_are_one_cause() -> None:
    views = [EnvoyView(envoy=name, healthy={"10.0.0.1": False, "10.0.0.2": True}) for name in ("e", "f")]
    assert told(SERVERS, *views) == [
        ("pod e and 1 more", "Envoy counts 1 of 2 ready servers of pool af as unhealthy: a")
    ]
    assert next(view_lines(SERVERS, views)) == "e sees 1 of 2 ready servers of pool af healthy"


def test_ready_servers_that_an_envoy_does_not_know_are_told() -> None:
    assert told(SERVERS, EnvoyView(envoy="e", healthy={"10.0.0.1": True})) == [
        ("pod e", "Envoy does not know 1 of 2 ready servers of pool af: b")
    ]


def test_a_server_that_has_just_become_ready_may_be_unknown() -> None:
    found = snapshot(pods=[server("a", "10.0.0.1", ready_seconds=30)])
    assert told(found, EnvoyView(envoy="e", healthy={})) == []


def test_an_envoy_that_could_not_be_asked_is_no_cause_and_is_told() -> None:
    view = EnvoyView(envoy="e", healthy={}, error="no port is forwarded to it")
    assert told(SERVERS, view) == []
    assert list(view_lines(SERVERS, [view])) == ["e was not asked: no port is forwarded to it"]
