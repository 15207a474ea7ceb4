"""Number of servers of a pool: a KEDA ScaledObject on the work that waits and on the servers that are busy.

Two triggers; the HorizontalPodAutoscaler (HPA) that KEDA makes takes the higher number. Both have the type
AverageValue: the HPA computes ceil(value / threshold) every 15 s, and leaves the number alone while value / threshold
is within 10 % of it. The current number of servers is not in the formula. With the type Value it would be a factor,
and would multiply a queue that grows while servers start.

1. `waiting-work`: servers = ceil(waiting work / queue_target_ms)

   The waiting work is what one server would need for all requests that wait, in milliseconds: requests times the
   service time of their model. A request that joins the queues of n servers waits for a part 1/n of it, which is within
   queue_target_ms while n is at least that number. Example: 37 requests of 10 ms are 370 ms of work, and 100 ms is the
   target: 4 servers. A request counts as a fifth of the target at most: five must wait for one server more, however
   long they take. Fewer wait by chance, since requests come at random. The gauge of waiting requests rises when a
   request is enqueued and falls when a backend is about to execute it: it moves at once. Triton's counters of queue
   time move only when a response is complete, so under long queues they are late by the queue itself
   (triton-inference-server/server #5927, which led to the gauge).

2. `busy-servers`: servers = ceil(busy servers / 0.75)

   Servers that execute without a pause have no queue until they are full, and none again once a new server helps. The
   waiting work alone would take the helper away, and ask for it anew when the queue is back. The fraction of the time
   that servers execute is proportional to the load: lambda x service time by Little's law. At three quarters, a queue
   is short, and the load that stays keeps its servers.

The service time of each model is measured, by Triton's counters over two minutes (`queries`). Before the first request
of a model is complete, the experiment's `service_time_ms` takes its place.

Where the arithmetic is off:
- A request of a batch counts as its part of the batch. A batch that fills more in a longer queue makes the service time
  shorter than it was measured: the number overshoots.
- An ensemble counts beside its steps, and both as executing: its server shows busy at half its load, at most.
- A server that executes several requests at the same time without slowing shows busy at the first:
  `executions_per_server` says how many there are. The utilisation of its GPU corrects it only where less than one
  kernel runs at a time, and there is none on MIG slices and CPUs.
- A backend that leaves its GPU idle for half of each execution is half busy at full load: its queue alone asks.
- While new servers start, the queue of the old ones grows and asks for more, up to servers_max.
- Models that are in no request for two minutes have no service time, and no queue.

Without a metric. With `ignoreNullValues: "false"`, KEDA takes a missing series (the servers start), a lost Prometheus
and NaN for errors and not for "no load". The HPA leaves the number as it is while all its metrics are errors. While one
is, it adds servers by the other and removes none. The busy servers are missing until Prometheus has the samples of the
two minutes of their rates: a rate takes time without samples for idle, and loaded servers would go. The ScaledObject
says `Ready: False`, TriggerError. The HPA stores no recommendation meanwhile: after an outage longer than
`scale_down_wait_seconds` the first low load removes a step of servers at once. There is no `fallback`, whose number
KEDA 2.16 would set at the first error: docs/adr, "An autoscaler without a metric does nothing". The HPA raises a
Deployment to servers_min before it looks at a metric, so a fresh stack does not wait for one.

A batch queue. A server that waits in one is given back only after the load was low for as long as the next one would
wait: docs/adr, "A server is kept as long as the next one waits".

From zero. With a minimum of 0, KEDA itself takes the last server away when both loads were 0 for
`scale_down_wait_seconds`, and starts the first one when the third trigger is 1: `refused-requests`, by Envoy's count of
requests that found no server. Their clients get UNAVAILABLE. While Envoy knows of no
server, both loads are 0 and not missing.

With at least one server the HPA takes every decision, and each time that it asks KEDA for the metric, KEDA queries
Prometheus: `pollingInterval` and `cooldownPeriod` are left out.
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

_WAKE_SECONDS = 5
"""Time between two looks of KEDA at a pool that may have no server."""

_REQUESTS_MIN = 5
"""Requests that wait for each server, at least, where servers are added for them."""

_BUSY_MAX = 0.75
"""Fraction of its time that a server may execute."""

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
    condition: str | None = None
    """PromQL that is empty while the query's answer is not the load; None: it always is."""

    @property
    def keda_query(self) -> str:
        """PromQL that KEDA puts to Prometheus."""
        return self.query if self.condition is None else f"({self.query}) and ({self.condition})"


@dataclass(frozen=True, kw_only=True)
class AutoscalingArgs:
    """One pool, its scale target, and the experiment's targets."""

    pool: ServerPool
    """Pool whose load is measured."""
    target: ScaleTarget
    """Scale target of the pool."""
    scaling: Scaling
    """Targets and steps of the experiment."""
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

    triggers: tuple[Trigger, ...]
    """Loads by which KEDA scales the pool."""

    def __init__(self, name: str, args: AutoscalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.triggers = triggers(args)
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


def triggers(args: AutoscalingArgs) -> tuple[Trigger, ...]:
    """Return the pool's loads by the module's docstring, or the experiment's own."""
    pool, scaling = args.pool, args.scaling
    if scaling.query is not None and scaling.threshold is not None:
        own = queries.filled(scaling.query, pool=pool, envoys=args.envoy_pattern)
        return (Trigger(name="load", query=own, threshold=_in_thousandths(scaling.threshold)),)
    work = queries.waiting_work_ms(
        pool, service_time_ms=scaling.service_time_ms, request_max_ms=request_max_ms(scaling)
    )
    busy = queries.busy_servers(pool, executions_per_server=scaling.executions_per_server)
    sampled = queries.whole_window(pool)
    woken: tuple[Trigger, ...] = ()
    if args.target.servers_min == 0:
        work, busy, sampled = (
            queries.or_no_server(query, pool, envoys=args.envoy_pattern) for query in (work, busy, sampled)
        )
        refused = queries.refused_without_server(pool, envoys=args.envoy_pattern)
        woken = (Trigger(name="refused-requests", query=refused, threshold=1.0),)
    return (
        Trigger(name="waiting-work", query=work, threshold=_in_thousandths(scaling.queue_target_ms)),
        Trigger(name="busy-servers", query=busy, threshold=_BUSY_MAX, condition=sampled),
        *woken,
    )


def request_max_ms(scaling: Scaling) -> float:
    """Return the time that a request which waits counts as, at most."""
    return scaling.queue_target_ms / _REQUESTS_MIN


def scaled_object_spec(args: AutoscalingArgs) -> dict[str, Any]:
    """Return the spec of the ScaledObject; the module's docstring has the arithmetic."""
    target = args.target
    from_zero = {
        "pollingInterval": _WAKE_SECONDS,
        "cooldownPeriod": scale_down_wait_seconds(args.scaling, args.pool.queue),
    }
    return {
        **(from_zero if target.servers_min == 0 else {}),
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "minReplicaCount": target.servers_min,
        "maxReplicaCount": target.servers_max,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(args.scaling, args.pool.queue)}},
        "triggers": [_prometheus_trigger(args, trigger) for trigger in triggers(args)],
    }


def _prometheus_trigger(args: AutoscalingArgs, trigger: Trigger) -> dict[str, Any]:
    return {
        "type": "prometheus",
        "name": trigger.name,
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": args.prometheus_url,
            "query": trigger.keda_query,
            "threshold": str(trigger.threshold),
            "ignoreNullValues": "false",
            **({"timeout": str(args.timeout_ms)} if args.timeout_ms else {}),
            **({"authModes": "custom"} if args.credentials else {}),
        },
        **({"authenticationRef": {"name": args.target.name}} if args.credentials else {}),
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


def _in_thousandths(load: float) -> float:
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
