"""A Triton server as a pod on a node of this cluster: placement, drain, security, resources."""

import math
from typing import Any

import pulumi

from components.base import Manifest
from components.pod import CONTAINER_SECURITY, guaranteed, placement, pod_security, pull_secrets, spread_over_nodes
from components.server_pool import METRICS_PORT_NAME
from components.triton.args import TritonPoolArgs
from components.triton.server import LIVENESS_FOLDER, METRICS_PORT, arguments, probes
from stacks.schema.pod_settings import PRODUCT_LABEL

_USER_ID = 1000
"""`triton-server` of NVIDIA's images, which owns the backends there."""
_LOGS_GIB = 1


def pod_spec(args: TritonPoolArgs, liveness_name: pulumi.Input[str]) -> Manifest:
    """Return the spec of a server's pod. But for a hostPath it fits the Pod Security level `restricted`.

    Args:
        args: the pool.
        liveness_name: ConfigMap with the liveness script.
    """
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.naming.pull_secret),
        "terminationGracePeriodSeconds": args.timing.grace_seconds,
        **placement(args.share.pool, *_product(args)),
        "topologySpreadConstraints": spread_over_nodes(args.labels.selector),
        "securityContext": pod_security(_USER_ID),
        "containers": [_container(args)],
        "volumes": [
            *args.repository.volumes,
            {"name": "liveness", "configMap": {"name": liveness_name}},
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{args.server.scratch_gib}Gi"}},
            {
                "name": "shared-memory",
                "emptyDir": {"medium": "Memory", "sizeLimit": f"{args.server.shared_memory_mib}Mi"},
            },
        ],
    }


def _container(args: TritonPoolArgs) -> dict[str, Any]:
    return {
        "name": "triton",
        "image": args.server.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["tritonserver"],
        "args": arguments(
            args.server,
            args.models,
            repository_urls=args.repository.repository_urls,
            exit_timeout_seconds=args.timing.exit_timeout_seconds,
            ip_family=args.naming.ip_families[0],
        ),
        "env": [{"name": "HOME", "value": "/tmp"}, *args.repository.env],  # noqa: S108  # caches of CUDA and Python
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
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }


def _resources(args: TritonPoolArgs) -> dict[str, Any]:
    server, gpu = args.server, args.share.pool.gpu
    return guaranteed(
        {
            "cpu": f"{math.ceil(server.cpu_cores * 1000)}m",
            "memory": f"{math.ceil(server.memory_gib * 1024)}Mi",
            "ephemeral-storage": f"{server.scratch_gib + _LOGS_GIB}Gi",
            **({gpu.resource: str(server.gpus)} if gpu and server.gpus else {}),
        }
    )


def _product(args: TritonPoolArgs) -> list[dict[str, Any]]:
    """Return the requirement on a node to have one of the GPU products that the models run on."""
    products = args.share.gpu_products if args.server.gpus else ()
    return [{"key": PRODUCT_LABEL, "operator": "In", "values": list(products)}] if products else []
