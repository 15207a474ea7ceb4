"""SuperSONIC 0.3.1's Kubernetes objects as pure functions, rebuilt from the chart's facts (commit e578801, 2026-05-25).

What a site says in its values is said here so that both sides have the same servers: image, models, limits of CPU and
memory, and how clients come in. KEDA's part and Prometheus are in `autoscaling` and `prometheus`. Left out is what no
request meets: Grafana, the propagation of mounts, which CVMFS needs and not every node has; and Envoy's `apt-get`,
which is a favour: theirs counts as ready while it still installs.
"""

import json

from benchmarks.peer.bootstrap import ADMIN_PORT, GRPC_PORT, bootstrap
from benchmarks.peer.manifest import Manifest, deployment, labels, manifest, resources
from benchmarks.peer.shutdown import (
    ENVOY_ARGUMENTS,
    TRITON_EXIT_TIMEOUT_SECONDS,
    TRITON_GRACE_SECONDS,
    TRITON_PRE_STOP,
)
from benchmarks.peer.values import Values, triton_name

_HTTP_PORT, _METRICS_PORT = 8000, 8002
_TRITON_PORTS = {"http": _HTTP_PORT, "grpc": GRPC_PORT, "metrics": _METRICS_PORT}
_MODELS_FOLDER = "/models"
_BOOTSTRAP_FILE = "envoy.json"
_CONFIG_FOLDER = "/etc/envoy"
_ASK_WHETHER_READY = (
    f"exec 3<>/dev/tcp/127.0.0.1/{_HTTP_PORT} && "
    "printf 'GET /v2/health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ $status = 200 ]"
)
"""Instead of `curl`, which our image of Triton does not have."""


def objects(values: Values) -> list[Manifest]:
    """The release in a namespace of its own."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": values.namespace}},
        _triton(values),
        manifest("v1", "Service", triton_name(values.name), values, "triton", spec=_triton_service(values)),
        _envoy_config(values),
        _envoy(values),
        manifest("v1", "Service", values.name, values, "envoy", spec=_envoy_service(values)),
    ]


def _triton(values: Values) -> Manifest:
    container = {
        "name": "triton-server",
        "image": values.triton_image,
        "command": ["/bin/sh", "-c"],
        "args": [_triton_command()],
        "resources": resources(values, values.triton_limits),
        "ports": [{"name": name, "containerPort": port} for name, port in _TRITON_PORTS.items()],
        "volumeMounts": [{"name": "model-repository", "mountPath": _MODELS_FOLDER, "readOnly": True}],
        "startupProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "http"},
            "initialDelaySeconds": 0,
            "periodSeconds": 10,
            "failureThreshold": 12,
        },
        "readinessProbe": {
            "exec": {"command": ["/bin/bash", "-c", f"{_ASK_WHETHER_READY} && [ ! -f /tmp/shutdown ]"]},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "successThreshold": 1,
            "failureThreshold": 10,
        },
        "lifecycle": {"preStop": {"exec": {"command": list(TRITON_PRE_STOP)}}},
    }
    pod = {
        "terminationGracePeriodSeconds": TRITON_GRACE_SECONDS,
        "containers": [container],
        "volumes": [{"name": "model-repository", "hostPath": {"path": str(values.models)}}],
    }
    return deployment(triton_name(values.name), values, "triton", values.servers, pod)


def _triton_command() -> str:
    r"""The default's text with a site's repository, and with our flag for models whose configuration is complete.

    It ends with a newline and has no `exec`: the shell stays the pod's first process, which SIGTERM does not end, and
    Triton hears nothing of it.
    """
    return (
        "/opt/tritonserver/bin/tritonserver \\\n"
        f"--model-repository={_MODELS_FOLDER} \\\n"
        "--log-verbose=0 \\\n"
        "--disable-auto-complete-config \\\n"
        f"--exit-timeout-secs={TRITON_EXIT_TIMEOUT_SECONDS}\n"
    )


def _triton_service(values: Values) -> Manifest:
    ports = [{"name": name, "port": port, "targetPort": port} for name, port in _TRITON_PORTS.items()]
    return {"clusterIP": "None", "ports": ports, "selector": labels(values, "triton")}


def _envoy_config(values: Values) -> Manifest:
    host = f"{triton_name(values.name)}.{values.namespace}.svc.cluster.local"
    data = {_BOOTSTRAP_FILE: json.dumps(bootstrap(host=host, port=GRPC_PORT), indent=1)}
    return manifest("v1", "ConfigMap", _config_name(values), values, "envoy", data=data)


def _envoy(values: Values) -> Manifest:
    container = {
        "name": "envoy",
        "image": values.envoy_image,
        "command": ["envoy", "--config-path", f"{_CONFIG_FOLDER}/{_BOOTSTRAP_FILE}", *ENVOY_ARGUMENTS],
        "resources": resources(values, values.envoy_limits),
        "ports": [{"name": "grpc", "containerPort": GRPC_PORT}, {"name": "admin", "containerPort": ADMIN_PORT}],
        "volumeMounts": [{"name": "envoy-config", "mountPath": _CONFIG_FOLDER}],
    }
    volume = {"name": "envoy-config", "configMap": {"name": _config_name(values)}}
    return deployment(values.name, values, "envoy", 1, {"containers": [container], "volumes": [volume]})


def _envoy_service(values: Values) -> Manifest:
    ports = [
        {"name": "grpc", "port": GRPC_PORT, "targetPort": GRPC_PORT, "nodePort": values.node_port},
        {"name": "admin", "port": ADMIN_PORT, "targetPort": ADMIN_PORT},
    ]
    return {"type": "NodePort", "ports": ports, "selector": labels(values, "envoy")}


def _config_name(values: Values) -> str:
    return f"{values.name}-envoy-config"
