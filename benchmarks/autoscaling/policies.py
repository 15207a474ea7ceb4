"""The policies that are compared. Ours are read from the program, so that what is deployed is judged."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import peer
from benchmarks.autoscaling import signals
from benchmarks.autoscaling.hpa import Behavior, ScalingPolicy, ScalingRules
from benchmarks.autoscaling.policy import Metric, Policy
from benchmarks.autoscaling.pool import ServerTimes
from benchmarks.autoscaling.routing import in_turn, two_choices
from benchmarks.autoscaling.signals import Signal
from benchmarks.errors import BenchmarkError
from benchmarks.loopback.sides import own_timing
from benchmarks.peer.shutdown import TRITON_GRACE_SECONDS
from components.autoscaling import AutoscalingArgs, request_max_ms, scaled_object_spec
from components.server_pool import MetricTarget, ScaleTarget, ServerPool
from components.timing import ServerTiming
from stacks.schema import StackConfig
from stacks.schema.drain import DNS_REFRESH_SECONDS
from stacks.schema.experiment import Scaling
from stacks.schema.server import StartupProbe
from stacks.schema.site import OwnPrometheus

SUPERSONIC = "SuperSONIC 0.3.1"
OURS = "ours"

_CHART_DNS_REFRESH_SECONDS = 5.0
"""Envoy's default for STRICT_DNS, which the chart leaves."""
_CHART_TIMES = ServerTimes(
    startup_period_seconds=10,
    route_seconds=_CHART_DNS_REFRESH_SECONDS,
    stop_seconds=TRITON_GRACE_SECONDS,  # its shell keeps SIGTERM from Triton: benchmarks/README.md, "With pods"
    grace_seconds=TRITON_GRACE_SECONDS,
)
_OUR_FORMER_PENDING_PER_SERVER = 10.0


def _steps(up: tuple[int, int], down: tuple[int, int]) -> Behavior:
    """One server at a time; each pair is the window and the period in seconds."""
    rules = [
        ScalingRules(policies=[ScalingPolicy(type="Pods", value=1, period_seconds=period)], window_seconds=window)
        for window, period in (up, down)
    ]
    return Behavior(up=rules[0], down=rules[1])


def supersonic() -> Policy:
    """The chart's defaults: `values.yaml`, `templates/keda/so.yaml`, `_scaling-metric.tpl` at e578801 (2026-05-25).

    It leaves KEDA's `ignoreNullValues` at true. Its Triton is ready after probes that are 10 s apart.
    """
    spec = peer.scaled_object_spec("supersonic", prometheus_url="", servers_min=1, servers_max=1)
    (trigger,) = spec["triggers"]
    metric = Metric(
        name="queue",
        signal=signals.queue_ms_per_execution,
        threshold=float(trigger["metadata"]["threshold"]),
        target=trigger["metricType"],
        empty_is_zero=trigger["metadata"].get("ignoreNullValues", "true") == "true",
    )
    return Policy(
        name=SUPERSONIC,
        metrics=[metric],
        behavior=Behavior.of(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]),
        scrape_seconds=peer.SCRAPE_SECONDS,
        times=_CHART_TIMES,
        routing=two_choices,
    )


def supersonic_pr_85() -> Policy:
    """Its pull request 85 (open, 2026-09): another metric, in AverageValue; the default threshold and steps."""
    metric = Metric(name="needed-servers", signal=signals.needed_servers, threshold=1.5, empty_is_zero=True)
    return replace(supersonic(), name="SuperSONIC PR 85", metrics=[metric])


def purdue() -> Policy:
    """Purdue's production: the chart's metric and steps of its own.

    PurdueAF/purdue-af `apps/sonic/supersonic/values.yaml`: GPUs that users' sessions need are given back soon, and
    servers get requests in turn.
    """
    return replace(supersonic(), name="Purdue", behavior=_steps(up=(30, 15), down=(45, 45)), routing=in_turn)


def ours(scaling: Scaling, *, name: str = OURS) -> Policy:
    """What `components.autoscaling` deploys for these targets: its triggers, thresholds and HPA behavior.

    Raises:
        BenchmarkError: the program has a trigger whose arithmetic is not in `signals`.
    """
    spec = _scaled_object_spec(scaling)
    return Policy(
        name=name,
        metrics=[_metric(trigger, scaling) for trigger in spec["triggers"]],
        behavior=Behavior.of(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]),
        scrape_seconds=OwnPrometheus.model_fields["scrape_interval_seconds"].default,
        times=our_times(),
    )


def ours_in(config: StackConfig) -> Policy:
    """Return the policy that a stack with a Prometheus of its own deploys.

    Raises:
        TypeError: the site has another Prometheus, whose scrape interval is not known.
    """
    monitoring = config.site.monitoring
    if not isinstance(monitoring, OwnPrometheus):
        msg = f"the stack {config.stack} has a Prometheus of kind {monitoring.kind}: its scrape interval is not known"
        raise TypeError(msg)
    timing = ServerTiming.of(config.experiment.traffic, dns_ttl_seconds=config.site.dns_ttl_seconds)
    return replace(
        ours(config.experiment.scaling),
        scrape_seconds=monitoring.scrape_interval_seconds,
        times=our_times(timing, config.experiment.server.probes.startup),
    )


def ours_before(scaling: Scaling) -> Policy:
    """Ours until 2026-11-28: waiting requests, against 100 ms / 10 ms of them for each server, and other steps."""
    keys = {"scale_up_period_seconds": 15, "scale_down_wait_seconds": 600, "scale_down_servers": 1}
    now = ours(scaling.model_copy(update=keys), name="ours before")
    return Policy(
        name=now.name,
        metrics=[
            Metric(
                name="pending-requests",
                signal=signals.pending_requests,
                threshold=_OUR_FORMER_PENDING_PER_SERVER,
            ),
        ],
        behavior=now.behavior,
        scrape_seconds=now.scrape_seconds,
        times=now.times,
    )


def our_times(timing: ServerTiming | None = None, startup_probe: StartupProbe | None = None) -> ServerTimes:
    """Return the times of our servers, by default those of the program's defaults."""
    timing, startup_probe = timing or own_timing(), startup_probe or StartupProbe()
    return ServerTimes(
        startup_period_seconds=startup_probe.period_seconds,
        route_seconds=DNS_REFRESH_SECONDS + timing.health_check_interval_seconds,
        stop_seconds=timing.pre_stop_seconds,
        grace_seconds=timing.grace_seconds,
    )


def _metric(trigger: Mapping[str, Any], scaling: Scaling) -> Metric:
    name = trigger["name"]
    arithmetic: Mapping[str, Signal] = {
        "waiting-work": partial(
            signals.waiting_work_ms,
            default_service_ms=scaling.service_time_ms,
            request_max_ms=request_max_ms(scaling),
        ),
        "busy-servers": partial(signals.busy_servers, executions_per_server=scaling.executions_per_server),
    }
    if name not in arithmetic:
        msg = f"components.autoscaling has the trigger {name}, whose arithmetic is missing: add it to {__name__}"
        raise BenchmarkError(msg)
    metadata = trigger["metadata"]
    return Metric(
        name=name,
        signal=arithmetic[name],
        threshold=float(metadata["threshold"]),
        target=trigger["metricType"],
        empty_is_zero=metadata["ignoreNullValues"] == "true",
    )


def _scaled_object_spec(scaling: Scaling) -> Mapping[str, Any]:
    """Return the spec for a pool in this cluster; the simulator reads nothing of it but the triggers and the HPA."""
    pool = ServerPool(
        name="simulated",
        host="triton.sonic.svc.cluster.local",
        port=8001,
        priority=0,
        peers=(),
        metrics=MetricTarget(name="triton", namespace="sonic", labels={}, port=8002, path="/metrics"),
        pod_pattern="triton-.+",
        scale_target=None,
        timing=own_timing(),
    )
    target = ScaleTarget(
        namespace="sonic",
        api_version="apps/v1",
        kind="Deployment",
        name="triton",
        labels={},
        servers_min=scaling.servers_min,
        servers_max=scaling.servers_max,
    )
    return scaled_object_spec(
        AutoscalingArgs(
            pool=pool, target=target, scaling=scaling, envoy_pattern="envoy-.+", prometheus_url="http://prometheus:9090"
        )
    )
