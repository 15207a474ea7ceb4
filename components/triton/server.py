"""Triton itself, wherever it runs: its ports, its command line and the probes that it answers."""

import math
from collections.abc import Sequence
from typing import Any

from stacks.schema.experiment import Models
from stacks.schema.server import Server, TritonFlags

GRPC_PORT = 8001
HTTP_PORT = 8000
"""Port of the kubelet's probes and of model managers: a stopping Triton first ends HTTP and waits for its clients, then
gRPC."""
METRICS_PORT = 8002
METRICS_PATH = "/metrics"

_MIB = 1024 * 1024

LIVENESS_FOLDER = "/liveness"
"""Folder of the liveness script and of its requests, where it is mounted."""
LIVENESS_FILE = "liveness.py"
_LIVENESS = (
    "if command -v python3 >/dev/null; "
    f"then exec python3 -I -B {LIVENESS_FOLDER}/{LIVENESS_FILE} {LIVENESS_FOLDER}; fi; "
    "if command -v curl >/dev/null; "
    f"then exec curl -sf -m 4 --noproxy '*' http://localhost:{HTTP_PORT}/v2/health/live; fi"
)
"""NVIDIA's images have both programs. An image without either is never restarted for a hang."""


def arguments(
    server: Server, models: Models, *, repository_urls: Sequence[str], exit_timeout_seconds: int, ip_family: str
) -> list[str]:
    """Return the command line of tritonserver, without the program.

    Args:
        server: flags that the experiment sets.
        models: the models to load by name.
        repository_urls: values of `--model-repository`.
        exit_timeout_seconds: time that a stopping server gives the requests in execution.
        ip_family: `IPv4` or `IPv6`, the family of the pod's own address.
    """
    flags = server.flags
    optional = {
        "--repository-poll-secs": flags.repository_poll_seconds,
        "--exit-on-error": None if flags.exit_on_error else "false",
        "--log-verbose": flags.log_verbose_level or None,
        "--grpc-infer-thread-count": flags.grpc_infer_thread_count,
        "--model-load-thread-count": flags.model_load_thread_count,
        "--buffer-manager-thread-count": flags.buffer_manager_thread_count,
        "--pinned-memory-pool-byte-size": _bytes(flags.pinned_memory_pool_mib),
    }
    of_each_gpu = {
        "--cuda-memory-pool-byte-size": _bytes(flags.cuda_memory_pool_mib),
        "--cuda-virtual-address-size": _bytes(flags.cuda_virtual_address_mib),
    }
    return [
        *(f"--model-repository={url}" for url in repository_urls),
        f"--model-control-mode={flags.model_control_mode}",
        *(f"--load-model={name}" for name in _loaded(flags, models)),
        *([] if flags.auto_complete_config else ["--disable-auto-complete-config"]),
        f"--strict-readiness={str(flags.strict_readiness).lower()}",
        f"--grpc-port={GRPC_PORT}",
        # Envoy pings more often than gRPC servers allow by default; see ServerTiming.keepalive_interval_ms.
        "--grpc-http2-max-ping-strikes=0",
        f"--http-port={HTTP_PORT}",
        # For probes and metrics. gRPC listens on both families anyway; this server on one (libevhtp sets IPV6_V6ONLY).
        *(["--http-address=ipv6:::"] if ip_family == "IPv6" else []),
        f"--metrics-port={METRICS_PORT}",
        f"--exit-timeout-secs={exit_timeout_seconds}",
        *(f"{flag}={value}" for flag, value in optional.items() if value is not None),
        *(f"{f}={gpu}:{value}" for f, value in of_each_gpu.items() if value is not None for gpu in range(server.gpus)),
        *(f"--backend-config={s.backend},{s.key}={s.value}" for s in flags.backend_settings),
        *server.extra_flags,
    ]


def _loaded(flags: TritonFlags, models: Models) -> list[str]:
    if flags.model_control_mode != "explicit":
        return []
    return ["*"] if flags.load_model == "*" else [model.name for model in models.expected]


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib * _MIB


def probes(server: Server) -> dict[str, Any]:
    """Return the container's three probes. Liveness ends a server that hangs, or whose model has stopped working."""
    liveness = server.probes.liveness
    return {
        **waiting_probes(server, start_seconds=server.start_timeout_seconds),
        "livenessProbe": {
            "exec": {"command": ["sh", "-c", _LIVENESS]},
            "periodSeconds": liveness.period_seconds,
            "timeoutSeconds": liveness.timeout_seconds,
            "failureThreshold": liveness.failures,
        },
    }


def waiting_probes(server: Server, *, start_seconds: int) -> dict[str, Any]:
    """Return the two probes that wait for the models, the first for `start_seconds`.

    Their port is a number, since the Slurm plugin reads port 0 for a name.

    Readiness is patient: DNS lists ready servers only, and Envoy drops what DNS does not list. A busy server that
    answers late must not leave its load to the others, which would then leave one after the other. Envoy's own check is
    the quick one.
    """

    def probe(path: str, **numbers: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": HTTP_PORT}, **numbers}

    startup, readiness = server.probes.startup, server.probes.readiness
    return {
        "startupProbe": probe(
            "/v2/health/ready",
            periodSeconds=startup.period_seconds,
            timeoutSeconds=startup.timeout_seconds,
            failureThreshold=math.ceil(start_seconds / startup.period_seconds),
        ),
        "readinessProbe": probe(
            "/v2/health/ready",
            periodSeconds=readiness.period_seconds,
            timeoutSeconds=readiness.timeout_seconds,
            failureThreshold=readiness.failures,
        ),
    }
