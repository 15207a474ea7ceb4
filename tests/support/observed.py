"""A stack as its cluster and its Prometheus tell of it, for tests of `observation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.labels import POOL_LABEL
from observation.facts import Facts, Sample
from observation.promql import VALUE
from observation.stack_names import StackNames
from tests.support.configs import stack_config
from tests.support.snapshots import NOW, Json, moment, named

NAMES = StackNames.of(stack_config())
DEPLOYMENT = "sonic-demo-triton-gpu"
FIRST, SECOND, THIRD = (f"{DEPLOYMENT}-7d4b9c6f5-{each}" for each in ("x2lqp", "9wz4t", "k8m2c"))
READY = ({"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"})


def server(
    name: str = FIRST,
    *,
    age_seconds: float = 600,
    conditions: Sequence[Json] = READY,
    phase: str = "Running",
    metadata: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    **container: Any,
) -> Json:
    """Return the pod of a server of pool `gpu`, by default a ready one."""
    own = {"app.kubernetes.io/component": "triton", POOL_LABEL: "gpu", **(labels or {})}
    status = {"name": "triton", "restartCount": 0, "state": {"running": {}}, **container}
    return {
        "metadata": {**named(name, age_seconds=age_seconds), "labels": own, **(metadata or {})},
        "status": {"phase": phase, "conditions": list(conditions), "containerStatuses": [status]},
    }


def deployment(replicas: int = 2) -> Json:
    """Return the Deployment of pool `gpu`."""
    return {"metadata": named(DEPLOYMENT), "spec": {"replicas": replicas}, "status": {"replicas": replicas}}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    """Return a condition of an object."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def scaled_object(*conditions: Json) -> Json:
    """Return the ScaledObject of pool `gpu`, with the conditions of one that follows the load or others."""
    usual = (condition("Ready", "True"), condition("Active", "True"), condition("Fallback", "False"))
    return {
        "metadata": named(DEPLOYMENT),
        "spec": {"triggers": [{"type": "prometheus", "name": "waiting-work"}]},
        "status": {"conditions": list(conditions or usual)},
    }


def autoscaler(*conditions: Json, wants: int = 2, present: str | None = "300m") -> Json:
    """Return KEDA's HorizontalPodAutoscaler of pool `gpu`."""
    metric = {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": DEPLOYMENT}}}
    current = {"type": "External", "external": {"metric": metric, "current": {"averageValue": present}}}
    target = {
        "type": "External",
        "external": {"metric": metric, "target": {"type": "AverageValue", "averageValue": "1"}},
    }
    return {
        "metadata": named(f"keda-hpa-{DEPLOYMENT}"),
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": DEPLOYMENT},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [target],
        },
        "status": {
            "currentReplicas": 2,
            "desiredReplicas": wants,
            "currentMetrics": [current if present else {"type": ""}],
            "conditions": list(conditions),
        },
    }


def event(about: str, reason: str, message: str, *, seconds_ago: float, kind: str = "Pod", **more: Any) -> Json:
    """Return an event of Kubernetes."""
    return {
        "metadata": named(f"{about}.{reason}"),
        "type": "Normal",
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": kind, "name": about, "uid": about},
        "lastTimestamp": moment(seconds_ago),
        **more,
    }


def sample(value: str, number: float, **labels: str) -> Sample:
    """Return a sample of the servers' or of Envoy's values."""
    return Sample(labels={VALUE: value, **labels}, value=number)


def of_server(pod: str, model: str = "particlenet", **values: float) -> list[Sample]:
    """Return the samples of one model in one server."""
    return [sample(value, number, pod=pod, model=model) for value, number in values.items()]


def facts(**changed: Any) -> Facts:
    """Return the facts of a stack with two ready servers, with other answers for some of them."""
    usual: dict[str, Any] = {
        "now": NOW,
        "pods": [server(), server(SECOND)],
        "deployments": [deployment()],
        "scaled_objects": [scaled_object()],
        "autoscalers": [autoscaler()],
        "events": [],
        "servers": [
            *of_server(FIRST, requests=10.0, failed=0.0, pending=3.0, total=0.5, queue=0.2, executing=0.4),
            *of_server(SECOND, requests=30.0, failed=1.0, pending=1.0, total=1.5, queue=0.2, executing=1.0),
            sample("gpu", 0.4, pod=FIRST),
            sample("gpu", 0.8, pod=SECOND),
        ],
        "envoys": [
            sample("calls", 41.0),
            sample("in_progress", 2.0),
            sample("latency_p50_ms", 48.2),
            sample("latency_p99_ms", 130.0),
        ],
    }
    return Facts(**(usual | changed))
