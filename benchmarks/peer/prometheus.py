"""SuperSONIC 0.3.1's own Prometheus: its targets and labels by `templates/monitoring/` (commit e578801).

The chart deploys it by a chart of others. What that adds is left out, since KEDA meets only the answers to its query.
Left out as well are targets that the release does not have: the OpenTelemetry collector, and Tempo.
"""

import json
from typing import Any

from benchmarks.peer.bootstrap import ADMIN_PORT
from benchmarks.peer.manifest import Manifest, deployment, labels, manifest, resources
from benchmarks.peer.values import Values, triton_name

SCRAPE_SECONDS = 5
"""`prometheus.server.global.scrape_interval`."""

_PORT = 9090
_TRITON_METRICS_PORT = 8002
_LIMITS = {"cpu": "1", "memory": "1Gi"}
_CONFIG_FILE = "prometheus.yml"
_COMPONENT = "prometheus"


def prometheus_url(values: Values) -> str:
    """Return the URL by which KEDA asks it."""
    return f"http://{prometheus_name(values)}.{values.namespace}.svc.cluster.local:{_PORT}"


def prometheus_name(values: Values) -> str:
    """Name of its Deployment and Service."""
    return f"{values.name}-prometheus-server"


def prometheus_objects(values: Values, *, image: str) -> list[Manifest]:
    """Return Prometheus, with the right to list the pods of the namespace.

    Args:
        values: the release.
        image: image of Prometheus, the same as ours.
    """
    name = prometheus_name(values)
    reads = [{"apiGroups": [""], "resources": ["pods", "endpoints", "services"], "verbs": ["get", "list", "watch"]}]
    config = {_CONFIG_FILE: json.dumps(configuration(values), indent=1)}
    service = {"selector": labels(values, _COMPONENT), "ports": [{"name": "http", "port": _PORT, "targetPort": _PORT}]}
    rbac = "rbac.authorization.k8s.io"
    return [
        manifest("v1", "ServiceAccount", name, values, _COMPONENT),
        manifest(f"{rbac}/v1", "Role", name, values, _COMPONENT, rules=reads),
        manifest(
            f"{rbac}/v1",
            "RoleBinding",
            name,
            values,
            _COMPONENT,
            subjects=[{"kind": "ServiceAccount", "name": name, "namespace": values.namespace}],
            roleRef={"kind": "Role", "name": name, "apiGroup": rbac},
        ),
        manifest("v1", "ConfigMap", name, values, _COMPONENT, data=config),
        deployment(name, values, _COMPONENT, 1, _pod(values, image)),
        manifest("v1", "Service", name, values, _COMPONENT, spec=service),
    ]


def configuration(values: Values) -> dict[str, Any]:
    """Return the configuration of Prometheus (`prometheus-configmap.yaml`)."""
    interval = f"{SCRAPE_SECONDS}s"
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "scrape_configs": [
            _job(values, triton_name(values.name), "triton", _TRITON_METRICS_PORT, "/metrics"),
            _job(values, f"{values.name}-envoy", "envoy", ADMIN_PORT, "/stats/prometheus"),
        ],
    }


def _job(values: Values, name: str, component: str, port: int, path: str) -> Manifest:
    label = "__meta_kubernetes_pod_label_app_kubernetes_io"
    return {
        "job_name": name,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [values.namespace]}}],
        "metrics_path": path,
        "relabel_configs": [
            {"source_labels": [f"{label}_component"], "regex": component, "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_container_port_number"], "regex": str(port), "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
            {"source_labels": [f"{label}_instance"], "target_label": "release"},
            {"source_labels": [f"{label}_name"], "target_label": "app"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        ],
    }


def _pod(values: Values, image: str) -> Manifest:
    container = {
        "name": "prometheus",
        "image": image,
        "args": [f"--config.file=/etc/prometheus/{_CONFIG_FILE}", "--storage.tsdb.path=/prometheus"],
        "resources": resources(values, _LIMITS),
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": _PORT}, "periodSeconds": 2},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus"},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    return {
        "serviceAccountName": prometheus_name(values),
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": prometheus_name(values)}},
            {"name": "data", "emptyDir": {}},
        ],
    }
