"""Number of servers of a pool: a KEDA ScaledObject on the requests that wait.

The signal. `nv_inference_pending_request_count` is a gauge per model: it rises when a request is enqueued, and falls
when a backend is about to execute it. It counts requests that wait in a dynamic batcher, and no requests in execution.
It moves at once. Triton's counters of queue time move only when a response is complete, so under long queues they are
late by the queue itself (triton-inference-server/server #5927, which led to the gauge).

The threshold. A server completes one request per `service_time_ms`, instances and batches counted in. A request that
finds P others waiting therefore waits for P x service_time_ms. That is within `queue_target_ms` while

    P <= threshold = queue_target_ms / service_time_ms      pending requests per server

The number. The metric type is AverageValue, so the HorizontalPodAutoscaler (HPA) that KEDA makes computes

    servers = ceil(sum of pending requests / threshold)

every 15 s, and leaves the number alone while the sum is within 10 % of threshold x servers. The current number
of servers is not in the formula. With the type Value it would be a factor, and would multiply a queue that grows while
servers start.
Example: 100 ms and 10 ms give 10 requests per server; 37 waiting requests, in whichever servers, ask for 4 servers.

Blind spot: busy servers with short queues. A server that executes without a pause and an idle one both show 0.
- KEDA adds no server before requests wait: servers_min must carry the usual load.
- Once a new server works, the queue that asked for it is gone, and the formula asks for servers_min. The HPA keeps the
  server for a while: it acts on the highest recommendation of the last `scale_down_wait_seconds`. After that it removes
  one server at a time, until requests wait again.
- While new servers start, the queue of the old ones grows and asks for more. Where a start takes long compared with
  queue_target_ms, the number overshoots towards servers_max.

Without a metric. With `ignoreNullValues: "false"`, KEDA takes a missing series (the servers start), a lost Prometheus
and NaN for errors and not for "no load". The HPA leaves the number as it is while its only metric is an error, and the
ScaledObject says `Ready: False`, TriggerError. The HPA stores no recommendation meanwhile: after an outage longer than
`scale_down_wait_seconds` the first low load removes a step of servers at once. There is no `fallback`, whose number
KEDA 2.16 would set at the first error: docs/adr, "An autoscaler without a metric does nothing". The HPA raises a
Deployment to servers_min before it looks at a metric, so a fresh stack does not wait for one.

A batch queue. A server that waits in one is given back only after the load was low for as long as the next one would
wait: docs/adr, "A server is kept as long as the next one waits".

`pollingInterval` and `cooldownPeriod` are left out. With at least one server the HPA takes every decision, and each
time that it asks KEDA for the metric, KEDA queries Prometheus.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import queries
from components.base import Manifest, SonicComponent
from components.monitoring.credentials import AUTHORITIES_KEY, HEADER_KEY, VALUE_KEY, PrometheusCredentials
from components.server_pool import Queue, ScaleTarget, ServerPool
from stacks.schema.experiment import Scaling

_API_VERSION = "keda.sh/v1alpha1"

_SERVERS_PER_STEP = 4
"""Servers that a decision of the HPA adds, or as many as there are if that is more."""

_WINDOW_MAX_SECONDS = 3600
"""Longest stabilization window that the API server takes."""

_THRESHOLD_MIN = 0.001  # a Kubernetes quantity of thousandths holds nothing finer, and the HPA refuses 0


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A load, and the part of it that one server carries."""

    name: str
    """Name of KEDA's trigger."""
    query: str
    """PromQL of the load."""
    threshold: float
    """Load of one server, in the query's unit; a multiple of 0.001."""


@dataclass(frozen=True, kw_only=True)
class AutoscalingArgs:
    """One pool, its scale target, and the experiment's targets."""

    pool: ServerPool
    """Pool whose waiting requests are counted."""
    target: ScaleTarget
    """Scale target of the pool."""
    scaling: Scaling
    """Queue and service times of the experiment."""
    envoy_pattern: str
    """Regular expression (RE2) of the whole names of the Envoys."""
    prometheus_url: str
    """Prometheus as KEDA reaches it, such as `http://sonic-cms-prometheus.sonic-cms.svc.cluster.local:9090`."""
    credentials: PrometheusCredentials | None = None
    """Header that Prometheus requires, and its authorities; None: neither."""
    timeout_ms: int | None = None
    """Time that Prometheus may take to answer; None: KEDA's own."""


class Autoscaling(SonicComponent):
    """The ScaledObject of one pool, and the TriggerAuthentication with which it queries Prometheus."""

    query: str
    """The query that KEDA puts to Prometheus."""

    def __init__(self, name: str, args: AutoscalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.query = scaling_query(args)
        target = args.target
        metadata: Manifest = {"name": target.name, "namespace": target.namespace, "labels": target.labels}
        authentication = []
        if args.credentials is not None:
            resource = k8s.apiextensions.CustomResource(
                self.child("authentication"),
                api_version=_API_VERSION,
                kind="TriggerAuthentication",
                metadata=metadata,
                spec=trigger_authentication_spec(args.credentials),
                opts=self.options(),
            )
            authentication.append(resource)
        k8s.apiextensions.CustomResource(
            self.child("scaledobject"),
            api_version=_API_VERSION,
            kind="ScaledObject",
            metadata=metadata,
            spec=scaled_object_spec(args),
            opts=self.options(depends_on=authentication),
        )
        self.register_outputs({})


def scaling_query(args: AutoscalingArgs) -> str:
    """Return the query of the pool's load: its waiting requests, or the experiment's own."""
    own = args.scaling.query
    if own is None:
        return queries.pending_requests(args.pool)
    return queries.filled(own, pool=args.pool, envoys=args.envoy_pattern)


def triggers(args: AutoscalingArgs) -> tuple[Trigger, ...]:
    """Return the load by which KEDA scales the pool."""
    name = "pending-requests" if args.scaling.query is None else "load"
    return (Trigger(name=name, query=scaling_query(args), threshold=load_per_server(args.scaling)),)


def scaled_object_spec(args: AutoscalingArgs) -> dict[str, Any]:
    """Return the spec of the ScaledObject; the module's docstring has the arithmetic."""
    target = args.target
    return {
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "minReplicaCount": target.servers_min,
        "maxReplicaCount": target.servers_max,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(args.scaling, args.pool.queue)}},
        "triggers": [
            {
                "type": "prometheus",
                "name": "pending-requests" if args.scaling.query is None else "load",
                "metricType": "AverageValue",
                "metadata": {
                    "serverAddress": args.prometheus_url,
                    "query": scaling_query(args),
                    "threshold": str(load_per_server(args.scaling)),
                    "ignoreNullValues": "false",
                    **({"timeout": str(args.timeout_ms)} if args.timeout_ms else {}),
                    **({"authModes": "custom"} if args.credentials else {}),
                },
                **({"authenticationRef": {"name": target.name}} if args.credentials else {}),
            }
        ],
    }


def trigger_authentication_spec(credentials: PrometheusCredentials) -> dict[str, Any]:
    """Return the spec of the TriggerAuthentication. A bearer token is the custom header `Authorization` too."""
    keys = {"customAuthHeader": HEADER_KEY, "customAuthValue": VALUE_KEY}
    keys |= {"ca": AUTHORITIES_KEY} if credentials.authorities else {}
    return {
        "secretTargetRef": [
            {"parameter": parameter, "name": credentials.secret_name, "key": key} for parameter, key in keys.items()
        ]
    }


def load_per_server(scaling: Scaling) -> float:
    """Return the load above which servers are added, by default in waiting requests.

    It is a multiple of 0.001, and at least that.
    """
    load = scaling.queue_target_ms / scaling.service_time_ms if scaling.threshold is None else scaling.threshold
    return max(round(load, 3), _THRESHOLD_MIN)


def scale_down_wait_seconds(scaling: Scaling, queue: Queue | None) -> int:
    """Return the time that the load of a pool must stay low before it loses a server."""
    return max(scaling.scale_down_wait_seconds, min(queue.wait_seconds, _WINDOW_MAX_SECONDS) if queue else 0)


def _behavior(scaling: Scaling, queue: Queue | None) -> Mapping[str, Any]:
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": scaling.scale_up_wait_seconds,
            "selectPolicy": "Max",
            "policies": [
                {"type": kind, "value": value, "periodSeconds": scaling.scale_up_period_seconds}
                for kind, value in _scale_up_steps(scaling)
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": scale_down_wait_seconds(scaling, queue),
            "selectPolicy": "Max",
            "policies": [
                {
                    "type": "Pods",
                    "value": scaling.scale_down_servers,
                    "periodSeconds": scaling.scale_down_period_seconds,
                }
            ],
        },
    }


def _scale_up_steps(scaling: Scaling) -> list[tuple[str, int]]:
    if scaling.scale_up_servers is not None:
        return [("Pods", scaling.scale_up_servers)]
    return [("Pods", _SERVERS_PER_STEP), ("Percent", 100)]
