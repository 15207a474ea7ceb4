"""Triton's part in the traces of requests: it traces those that Envoy tells it of, and sends spans to the collector.

Jobs have no part in it: they reach no Service of the cluster.
"""

from typing import Any

from components.triton.args import TritonPoolArgs

_POD_VARIABLE = "SONIC_POD_NAME"


def flags(args: TritonPoolArgs) -> list[str]:
    """Return the flags of tritonserver; none where the site traces nothing. They are those of release 24.01 and later.

    With rate 0 Triton draws no request itself. It traces each whose `traceparent` is valid.
    """
    if args.tracing is None:
        return []
    settings = (
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=0",
        f"opentelemetry,url={args.tracing.spans_url}",
        f"opentelemetry,resource=service.name={args.name}",
        f"opentelemetry,resource=k8s.pod.name=$({_POD_VARIABLE})",
    )
    return [f"--trace-config={setting}" for setting in settings]


def environment(args: TritonPoolArgs) -> list[dict[str, Any]]:
    """Return the variable that the flags read."""
    if args.tracing is None:
        return []
    return [{"name": _POD_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
