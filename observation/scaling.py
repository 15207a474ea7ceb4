"""Decision of the autoscaler on each pool, and its reason, from the ScaledObject and the HorizontalPodAutoscaler.

KEDA asks for the metrics and makes the HorizontalPodAutoscaler (HPA), which sets the number of servers. Its conditions
and those of KEDA hold the reason as a word, which is told in plain words and kept for a search.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from access.cluster import Object
from diagnosis.snapshot import conditions, name_of
from fit.quantity import quantity
from observation.stack_names import Pool


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of the autoscaler."""

    name: str
    """Name of KEDA's trigger, such as `waiting-work`."""
    present: float | None
    """Present value per server; None: the HPA has none."""
    target: float
    """Value per server above which servers are added."""
    unit: str = ""
    """Unit of both; empty: a pure number, or that of an experiment's own query."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The number of servers of one pool. None: not known."""

    pool: str
    """Name of the pool."""
    wants: int | None
    """Servers that the autoscaler wants, or the fixed number."""
    has: int | None
    """Servers that the Deployment has, ready or not."""
    servers_min: int
    """Fewest servers."""
    servers_max: int
    """Most servers."""
    metrics: tuple[Metric, ...]
    """Metrics in the order of KEDA's triggers."""
    reasons: tuple[str, ...]
    """Reasons, the one that matters most first; never empty."""


_KEDA: Mapping[tuple[str, str], str] = {
    ("Paused", "True"): "KEDA is paused, so the number does not follow the load",
    ("Fallback", "True"): "KEDA has no metric, and sets the number of its fallback",
    ("Ready", "False"): "KEDA holds the present number",
}
"""Condition of a ScaledObject and its status -> words."""

_HPA: Mapping[tuple[str, str, str], str] = {
    ("ScalingActive", "False", "ScalingDisabled"): "no server is wanted, so KEDA alone decides",
    ("ScalingActive", "False", ""): "no metric can be read",
    ("AbleToScale", "False", ""): "the number cannot be set",
    ("ScalingLimited", "True", "TooManyReplicas"): "at its ceiling: the load asks for more than the most servers",
    ("ScalingLimited", "True", "TooFewReplicas"): "at its floor: the load asks for fewer than the fewest servers",
    ("ScalingLimited", "True", "ScaleUpLimit"): "adds servers in steps, as scaling.scale_up_* say",
    ("ScalingLimited", "True", "ScaleDownLimit"): "removes servers in steps, as scaling.scale_down_* say",
    ("AbleToScale", "True", "ScaleDownStabilized"): "keeps servers for a while, since the load was higher before",
    ("AbleToScale", "True", "ScaleUpStabilized"): "adds no server yet, since the load was lower before",
    ("AbleToScale", "True", "SucceededRescale"): "has just changed the number",
}
"""Condition of an HPA, its status and its reason (empty: any) -> words; the first one is told first."""

_UNITS = {"waiting-work": "ms"}
"""Trigger of `components.autoscaling` -> unit."""

_WITH_MESSAGE = {("ScalingActive", "False"), ("AbleToScale", "False")}
"""Conditions whose message tells more than their reason."""


def decision(
    pool: Pool, deployments: Sequence[Object], scaled_objects: Sequence[Object], autoscalers: Sequence[Object]
) -> Decision:
    """Return the decision on one pool."""
    deployment = _named(deployments, pool.deployment)
    wanted = deployment["spec"].get("replicas", 1) if deployment else None
    has = deployment.get("status", {}).get("replicas", 0) if deployment else None
    scaled = _named(scaled_objects, pool.deployment)
    scaler = next((each for each in autoscalers if _target(each) == pool.deployment), None)
    spec, status = (scaler["spec"], scaler.get("status", {})) if scaler else ({}, {})
    return Decision(
        pool=pool.name,
        wants=status.get("desiredReplicas", wanted),
        has=has,
        servers_min=spec.get("minReplicas", pool.servers_min),
        servers_max=spec.get("maxReplicas", pool.servers_max),
        metrics=tuple(_metrics(spec, status, scaled)),
        reasons=tuple(_reasons(pool, scaled, scaler)),
    )


def _reasons(pool: Pool, scaled: Object | None, scaler: Object | None) -> Iterator[str]:
    if not pool.autoscaled:
        yield "the number is fixed: scaling.servers_min is scaling.servers_max, or the pool's share of both"
        return
    told = list(_of_keda(pool, scaled))
    told += ["there is no HorizontalPodAutoscaler, which KEDA makes"] if scaler is None else _of_hpa(scaler)
    yield from told or ["the number fits the load"]


def _of_keda(pool: Pool, scaled: Object | None) -> Iterator[str]:
    if scaled is None:
        yield f"the ScaledObject {pool.deployment} is not there"
        return
    found = conditions(scaled)
    if not found:
        yield f"the ScaledObject {pool.deployment} has no condition: KEDA has not looked at it"
    for (kind, status), words in _KEDA.items():
        if found.get(kind, {}).get("status") == status:
            more = ": ".join(filter(None, (found[kind].get("reason"), found[kind].get("message"))))
            yield f"{words} ({more})" if more else words


def _of_hpa(scaler: Object) -> Iterator[str]:
    found, told = conditions(scaler), set[str]()
    if found.get("ScalingActive", {}).get("status") == "False":
        told.add("ScalingLimited")  # it is that of the last decision
    for (kind, status, reason), words in _HPA.items():
        condition = found.get(kind, {})
        if kind in told or condition.get("status") != status or (reason and condition.get("reason") != reason):
            continue
        told.add(kind)
        message = f": {condition.get('message', '')}" if (kind, status) in _WITH_MESSAGE and not reason else ""
        yield f"{words} ({condition.get('reason', kind)}{message})"


def _metrics(spec: Any, status: Any, scaled: Object | None) -> Iterator[Metric]:
    """Yield the external metrics. The HPA has a value of those alone that it could read."""
    triggers = scaled["spec"].get("triggers", ()) if scaled else ()
    present = {_identity(each): each["external"]["current"] for each in status.get("currentMetrics") or () if _is(each)}
    for each in filter(_is, spec.get("metrics") or ()):
        target = _number(each["external"]["target"])
        if target is not None:
            name = _trigger(_identity(each), triggers)
            present_number = _number(present.get(_identity(each)))
            yield Metric(name=name, present=present_number, target=target, unit=_UNITS.get(name, ""))


def _is(metric: Any) -> bool:
    return bool(metric.get("type") == "External" and "external" in metric)


def _identity(metric: Any) -> str:
    return str(metric["external"]["metric"]["name"])


def _trigger(metric: str, triggers: Sequence[Any]) -> str:
    """Return the name of the trigger of a metric: KEDA calls the metric of its first trigger `s0-…`."""
    found = re.match(r"s(\d+)-", metric)
    index = int(found[1]) if found else len(triggers)
    return str(triggers[index].get("name", metric)) if index < len(triggers) else metric


def _number(value: Any) -> float | None:
    text = (value or {}).get("averageValue") or (value or {}).get("value")
    try:
        number = float(quantity(text)) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _target(scaler: Object) -> str:
    return str(scaler.get("spec", {}).get("scaleTargetRef", {}).get("name", ""))


def _named(objects: Sequence[Object], name: str) -> Object | None:
    return next((each for each in objects if name_of(each) == name), None)
