"""The arithmetic of the HorizontalPodAutoscaler on external metrics, as Kubernetes 1.36 has it.

Source: `pkg/controller/podautoscaler/{horizontal,replica_calculator}.go`. Names of functions there are given below.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

SYNC_SECONDS = 15.0
"""`--horizontal-pod-autoscaler-sync-period` of the controller manager, by default."""

_TOLERANCE = 0.1
"""`--horizontal-pod-autoscaler-tolerance`, by default."""

TargetType = Literal["AverageValue", "Value"]
"""AverageValue: the metric is divided among the servers. Value: it is compared as it is."""


@dataclass(frozen=True, kw_only=True)
class ScalingPolicy:
    """A limit on the servers that are added, or removed, in a period."""

    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


@dataclass(frozen=True, kw_only=True)
class ScalingRules:
    """`behavior.scaleUp` or `behavior.scaleDown`."""

    policies: Sequence[ScalingPolicy]
    window_seconds: int
    """`stabilizationWindowSeconds`."""
    select: Literal["Max", "Min", "Disabled"] = "Max"
    """`selectPolicy`: the policy that allows the largest or the smallest change."""

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Self:
        """Read a `behavior.scaleUp` or `behavior.scaleDown`."""
        policies = [
            ScalingPolicy(type=each["type"], value=each["value"], period_seconds=each["periodSeconds"])
            for each in spec["policies"]
        ]
        return cls(
            policies=policies,
            window_seconds=spec["stabilizationWindowSeconds"],
            select=spec.get("selectPolicy", "Max"),
        )


@dataclass(frozen=True, kw_only=True)
class Behavior:
    """`behavior` of a HorizontalPodAutoscaler."""

    up: ScalingRules
    down: ScalingRules

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Self:
        """Read a `behavior`."""
        return cls(up=ScalingRules.of(spec["scaleUp"]), down=ScalingRules.of(spec["scaleDown"]))


def proposal(value: float, *, threshold: float, target: TargetType, servers: int, ready: int) -> int:
    """Return the servers that one external metric asks for (`GetExternalPerPodMetricReplicas`, `…MetricReplicas`).

    Args:
        value: the metric, which KEDA cuts to thousandths.
        threshold: its target.
        target: type of the target.
        servers: pods that there are, starting ones included; at least 1.
        ready: pods of them that are ready.
    """
    usage, wanted = int(value * 1000), int(threshold * 1000)
    per_server = target == "AverageValue"
    ratio = usage / (wanted * servers if per_server else wanted)
    if 1 - _TOLERANCE <= ratio <= 1 + _TOLERANCE:
        return servers
    return math.ceil(usage / wanted if per_server else ratio * ready)


class HorizontalPodAutoscaler:
    """One autoscaler and its memory: recommendations and changes."""

    def __init__(self, behavior: Behavior, *, servers_min: int, servers_max: int) -> None:
        self._behavior = behavior
        self._servers_min, self._servers_max = servers_min, servers_max
        self._recommendations: list[tuple[float, int]] = []
        self._added: list[tuple[float, int]] = []
        self._removed: list[tuple[float, int]] = []

    def sync(self, now: float, servers: int, proposals: Sequence[int | None]) -> int:
        """Return the number of servers that it sets (`reconcileAutoscaler`).

        Args:
            now: time, in seconds.
            servers: pods that there are.
            proposals: what each metric asks for; None for a metric that is missing.
        """
        if not self._recommendations:
            self._recommendations.append((now, servers))
        if servers > self._servers_max or servers < self._servers_min:
            desired = min(max(servers, self._servers_min), self._servers_max)
        else:
            known = [number for number in proposals if number is not None]
            # `computeReplicasForMetrics`: with one metric missing the others may add servers, and remove none.
            if not known or (len(known) < len(proposals) and max(known) < servers):
                return servers
            desired = self._limited(now, servers, self._stabilized(now, servers, max(known)))
        if desired > servers:
            _remember(self._added, now, desired - servers, self._behavior.up)
        if desired < servers:
            _remember(self._removed, now, servers - desired, self._behavior.down)
        return desired

    def _stabilized(self, now: float, servers: int, proposed: int) -> int:
        """Bring the proposal between the lowest of one window and the highest of the other.

        `stabilizeRecommendationWithBehaviors`.
        """
        since_up = now - self._behavior.up.window_seconds
        since_down = now - self._behavior.down.window_seconds
        lowest = min((number for _, number in _since(since_up, self._recommendations)), default=proposed)
        highest = max((number for _, number in _since(since_down, self._recommendations)), default=proposed)
        self._recommendations = [*_since(min(since_up, since_down), self._recommendations), (now, proposed)]
        return min(max(servers, min(lowest, proposed)), max(highest, proposed))

    def _limited(self, now: float, servers: int, desired: int) -> int:
        """Keep within the range and the rules (`convertDesiredReplicasWithBehaviorRate`)."""
        if desired > servers:
            allowed = max(servers, _up_limit(self._start_of_period(now, servers), self._behavior.up, servers))
            return min(desired, self._servers_max, allowed)
        if desired < servers:
            allowed = min(servers, _down_limit(self._start_of_period(now, servers), self._behavior.down, servers))
            return max(desired, self._servers_min, allowed)
        return desired

    def _start_of_period(self, now: float, servers: int) -> Mapping[int, int]:
        """Return period -> number of servers at its beginning."""
        rules = (*self._behavior.up.policies, *self._behavior.down.policies)
        return {
            period: servers - _changed(now - period, self._added) + _changed(now - period, self._removed)
            for period in {policy.period_seconds for policy in rules}
        }


def _up_limit(before: Mapping[int, int], rules: ScalingRules, servers: int) -> int:
    """`calculateScaleUpLimitWithScalingRules`."""
    if rules.select == "Disabled":
        return servers
    limits = [
        before[policy.period_seconds] + policy.value
        if policy.type == "Pods"
        else math.ceil(before[policy.period_seconds] * (1 + policy.value / 100))
        for policy in rules.policies
    ]
    return min(limits) if rules.select == "Min" else max(limits)


def _down_limit(before: Mapping[int, int], rules: ScalingRules, servers: int) -> int:
    """`calculateScaleDownLimitWithBehaviors`."""
    if rules.select == "Disabled":
        return servers
    limits = [
        before[policy.period_seconds] - policy.value
        if policy.type == "Pods"
        else int(before[policy.period_seconds] * (1 - policy.value / 100))
        for policy in rules.policies
    ]
    return max(limits) if rules.select == "Min" else min(limits)


def _since(start: float, events: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    return [event for event in events if event[0] > start]


def _changed(start: float, events: Iterable[tuple[float, int]]) -> int:
    return sum(number for _, number in _since(start, events))


def _remember(events: list[tuple[float, int]], now: float, number: int, rules: ScalingRules) -> None:
    """Store a change of the number. It replaces one that no policy looks at any more (`storeScaleEvent`)."""
    oldest = now - max(policy.period_seconds for policy in rules.policies)
    outdated = [place for place, (changed_at, _) in enumerate(events) if changed_at < oldest]
    if outdated:
        events[outdated[-1]] = (now, number)
    else:
        events.append((now, number))
