"""A Triton server as a pod on a node of this cluster: placement, drain, security, resources."""

import math
from typing import Any

import pulumi

from components.base import Manifest
from components.pod import CONTAINER_SECURITY, guaranteed, placement, pod_security, pull_secrets, spread_over_nodes
from components.server_pool import METRICS_PORT_NAME
from components.triton import data_volumes, tracing
from components.triton.args import TritonPoolArgs
from components.triton.server import LIVENESS_FOLDER, METRICS_PORT, arguments, probes
from stacks.schema.pod_settings import PRODUCT_LABEL

_USER_ID = 1000
"""`triton-server` of NVIDIA's images, which owns the backends there."""
_LOGS_GIB = 1
_SHARED_MEMORY_MIN_MIB = 256
_SHARED_MEMORY_PER_MODEL_MIB = 64
"""Triton's python backend wants as much for each instance (triton-inference-server/server #6195)."""


def pod_spec(
    args: TritonPoolArgs, liveness_name: pulumi.Input[str], environment_secret: pulumi.Input[str] | None = None
) -> Manifest:
    """Return the spec of a server's pod. But for a hostPath it fits the Pod Security level `restricted`.

    Args:
        args: the pool.
        liveness_name: ConfigMap with the liveness script.
        environment_secret: name of the Secret with the values of `server.secret_environment`.
    """
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.naming.pull_secret),
        "terminationGracePeriodSeconds": args.timing.grace_seconds,
        **placement(args.pool, *_product(args)),
        "topologySpreadConstraints": spread_over_nodes(args.labels.selector),
        "securityContext": pod_security(_USER_ID),
        "containers": [_container(args, environment_secret)],
        "volumes": [
            *args.repository.volumes,
            {"name": "liveness", "configMap": {"name": liveness_name}},
            *data_volumes.volumes(args.server.data, args.data),
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{args.server.scratch_gib}Gi"}},
            {
                "name": "shared-memory",
                "emptyDir": {"medium": "Memory", "sizeLimit": f"{_shared_memory_mib(args)}Mi"},
            },
        ],
    }


def _shared_memory_mib(args: TritonPoolArgs) -> int:
    models = _SHARED_MEMORY_PER_MODEL_MIB * len(args.models.expected)
    return args.server.shared_memory_mib or max(_SHARED_MEMORY_MIN_MIB, models)


def _container(args: TritonPoolArgs, environment_secret: pulumi.Input[str] | None) -> dict[str, Any]:
    return {
        "name": "triton",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["tritonserver"],
        "args": [
            *arguments(
                args.server,
                args.models,
                repository_urls=args.repository.repository_urls,
                exit_timeout_seconds=args.timing.exit_timeout_seconds,
                ip_family=args.naming.ip_families[0],
            ),
            *tracing.flags(args),
        ],
        "env": [
            {"name": "HOME", "value": "/tmp"},  # noqa: S108  # caches of CUDA and Python
            *tracing.environment(args),
            *args.repository.env,
            *({"name": name, "value": value} for name, value in args.server.environment.items()),
            *(
                {"name": name, "valueFrom": {"secretKeyRef": {"name": environment_secret, "key": name}}}
                for name in args.server.secret_environment
            ),
        ],
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": METRICS_PORT}],
        "resources": _resources(args),
        **probes(args.server),
        # Kubernetes removes the pod from the Service at the same moment. The server goes on serving until every Envoy
        # has seen that. Kubernetes 1.29 drops the field `preStop.sleep`, so the image's `sleep` does it.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(args.timing.pre_stop_seconds)]}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            *args.repository.volume_mounts,
            {"name": "liveness", "mountPath": LIVENESS_FOLDER, "readOnly": True},
            *data_volumes.volume_mounts(args.server.data),
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }


def _resources(args: TritonPoolArgs) -> dict[str, Any]:
    server, gpu = args.server, args.pool.gpu
    devices = {gpu.resource: str(server.gpus)} if gpu and server.gpus else {}
    resources = guaranteed(
        {
            "cpu": _cores(server.cpu_cores),
            "memory": _memory(server.memory_gib),
            "ephemeral-storage": f"{server.scratch_gib + _LOGS_GIB}Gi",
            **devices,
        }
    )
    less = {
        **({"cpu": _cores(server.cpu_request_cores)} if server.cpu_request_cores else {}),
        **({"memory": _memory(server.memory_request_gib)} if server.memory_request_gib else {}),
    }
    return {**resources, "requests": {**resources["requests"], **less}}


def _cores(cores: float) -> str:
    return f"{math.ceil(cores * 1000)}m"


def _memory(gib: float) -> str:
    return f"{math.ceil(gib * 1024)}Mi"


def _product(args: TritonPoolArgs) -> list[dict[str, Any]]:
    """Return the requirement on a node to have one of the GPU products that the models run on."""
    products = args.share.gpu_products if args.server.gpus else ()
    return [{"key": PRODUCT_LABEL, "operator": "In", "values": list(products)}] if products else []
