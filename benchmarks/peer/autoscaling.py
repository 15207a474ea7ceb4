"""SuperSONIC 0.3.1's ScaledObject, as `templates/keda/so.yaml` renders it from the default values (commit e578801)."""

from benchmarks.peer.manifest import Manifest, manifest
from benchmarks.peer.prometheus import prometheus_url as url_of
from benchmarks.peer.scaling_metric import scaling_query
from benchmarks.peer.values import Values, triton_name

_THRESHOLD_MS = 100
"""`serverLoadThreshold`, for the default metric."""


def scaled_object(values: Values, *, servers_min: int, servers_max: int) -> Manifest:
    """Return the ScaledObject of a release."""
    spec = scaled_object_spec(
        values.name, prometheus_url=url_of(values), servers_min=servers_min, servers_max=servers_max
    )
    return manifest("keda.sh/v1alpha1", "ScaledObject", f"{values.name}-keda-so", values, "keda", spec=spec)


def scaled_object_spec(release: str, *, prometheus_url: str, servers_min: int, servers_max: int) -> Manifest:
    """Return its spec. It leaves KEDA's `ignoreNullValues` at true, and KEDA ignores its `metricName`.

    Args:
        release: name of the release.
        prometheus_url: as KEDA reaches it.
        servers_min: `keda.minReplicaCount`.
        servers_max: `keda.maxReplicaCount`.
    """
    trigger = {
        "type": "prometheus",
        "metricType": "Value",
        "metadata": {
            "serverAddress": prometheus_url,
            "metricName": "autoscaler-metric",
            "threshold": str(_THRESHOLD_MS),
            "query": scaling_query(release),
        },
    }
    return {
        "scaleTargetRef": {"name": triton_name(release), "kind": "Deployment"},
        "pollingInterval": 30,
        "cooldownPeriod": 120,
        "minReplicaCount": servers_min,
        "maxReplicaCount": servers_max,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleDown": _steps(window_seconds=600, period_seconds=120),
                    "scaleUp": _steps(window_seconds=60, period_seconds=60),
                }
            }
        },
        "triggers": [trigger],
    }


def _steps(*, window_seconds: int, period_seconds: int) -> Manifest:
    """One server at a time."""
    return {
        "stabilizationWindowSeconds": window_seconds,
        "policies": [{"periodSeconds": period_seconds, "type": "Pods", "value": 1}],
    }
