"""A Triton server's pod: command line, probes, drain, security, resources."""

import math
from typing import Any

from components.base import Manifest
from components.pod import CONTAINER_SECURITY, pod_security, pull_secrets, spread_over_nodes
from components.triton.args import GRPC_PORT, HTTP_PORT, METRICS_PORT, TritonPoolArgs
from stacks.schema.experiment import Server

_USER_ID = 1000
"""`triton-server` of NVIDIA's images, which owns the backends there."""
_SCRATCH_GIB = 16
"""Room in /tmp: what Triton copies from S3, and Python environments that it unpacks."""
_LOGS_GIB = 1
_STARTUP_PERIOD_SECONDS = 2


def arguments(args: TritonPoolArgs) -> list[str]:
    """Command line of tritonserver."""
    flags, expected = args.server.flags, args.models.expected
    optional = {
        "--log-verbose": flags.log_verbose_level or None,
        "--grpc-infer-thread-count": flags.grpc_infer_thread_count,
        "--model-load-thread-count": flags.model_load_thread_count,
    }
    return [
        *(f"--model-repository={url}" for url in args.repository.repository_urls),
        f"--model-control-mode={flags.model_control_mode}",
        *(f"--load-model={model.name}" for model in expected if flags.model_control_mode == "explicit"),
        *([] if flags.auto_complete_config else ["--disable-auto-complete-config"]),
        f"--strict-readiness={str(flags.strict_readiness).lower()}",
        f"--grpc-port={GRPC_PORT}",
        # Envoy pings more often than gRPC servers allow by default; see Timing.keepalive_interval_ms.
        "--grpc-http2-max-ping-strikes=0",
        f"--http-port={HTTP_PORT}",
        f"--metrics-port={METRICS_PORT}",
        f"--exit-timeout-secs={args.timing.triton_exit_timeout_seconds}",
        *(f"{flag}={value}" for flag, value in optional.items() if value is not None),
        *(f"--backend-config={s.backend},{s.key}={s.value}" for s in flags.backend_settings),
    ]


def pod_spec(args: TritonPoolArgs) -> Manifest:
    """Spec of a server's pod: nothing in it needs more than the Pod Security level `restricted`, but a hostPath."""
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.pull_secret),
        "terminationGracePeriodSeconds": args.timing.triton_grace_seconds,
        **_placement(args),
        "topologySpreadConstraints": spread_over_nodes(args.labels.selector),
        "securityContext": pod_security(_USER_ID),
        "containers": [_container(args)],
        "volumes": [
            *args.repository.volumes,
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{_SCRATCH_GIB}Gi"}},
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
        "args": arguments(args),
        "env": [{"name": "HOME", "value": "/tmp"}, *args.repository.env],  # noqa: S108  # caches of CUDA and Python
        "ports": [
            {"name": "grpc", "containerPort": GRPC_PORT},
            {"name": "http", "containerPort": HTTP_PORT},
            {"name": "metrics", "containerPort": METRICS_PORT},
        ],
        "resources": _resources(args),
        **_probes(args.server),
        # The kubelet takes the pod out of the Service and calls this at the same moment: until every Envoy has seen
        # the first, the server goes on.
        "lifecycle": {"preStop": {"sleep": {"seconds": args.timing.triton_pre_stop_seconds}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            *args.repository.volume_mounts,
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }


def _probes(server: Server) -> dict[str, Any]:
    """Startup waits for the models, readiness asks for them, liveness ends a hang: it knows nothing of models."""

    def probe(path: str, **numbers: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": HTTP_PORT}, **numbers}

    return {
        "startupProbe": probe(
            "/v2/health/ready",
            periodSeconds=_STARTUP_PERIOD_SECONDS,
            timeoutSeconds=2,
            failureThreshold=math.ceil(server.start_timeout_seconds / _STARTUP_PERIOD_SECONDS),
        ),
        "readinessProbe": probe("/v2/health/ready", periodSeconds=5, timeoutSeconds=3, failureThreshold=2),
        "livenessProbe": probe("/v2/health/live", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
    }


def _resources(args: TritonPoolArgs) -> dict[str, Any]:
    server, gpu = args.server, args.share.pool.gpu
    fixed = {
        "cpu": f"{math.ceil(server.cpu_cores * 1000)}m",
        "memory": f"{math.ceil(server.memory_gib * 1024)}Mi",
        **({gpu.resource: str(server.gpus)} if gpu and server.gpus else {}),
    }
    return {
        "requests": {**fixed, "ephemeral-storage": "2Gi"},
        "limits": {**fixed, "ephemeral-storage": f"{_SCRATCH_GIB + _LOGS_GIB}Gi"},
    }


def _placement(args: TritonPoolArgs) -> dict[str, Any]:
    """Which nodes: those of the pool, with one of the GPU products that the models run on."""
    pool, products = args.share.pool, args.share.gpu_products
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": list(products)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    placement = {
        "nodeSelector": pool.node_selector,
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in pool.tolerations],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        if products and args.server.gpus
        else {},
    }
    return {key: value for key, value in placement.items() if value}
