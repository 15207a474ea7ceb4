"""Causes for which the number of servers does not follow the load: KEDA's view, and that of its autoscaler."""

from collections.abc import Iterator

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.snapshot import Snapshot, conditions, name_of

_SHOWN = {
    "ScaledObject": ("Ready", "Active", "Fallback", "Paused"),
    "HorizontalPodAutoscaler": ("AbleToScale", "ScalingActive", "ScalingLimited"),
}


def scaling_lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield a line with the conditions of each ScaledObject and HorizontalPodAutoscaler."""
    for kind, objects in (("ScaledObject", snapshot.scaled_objects), ("HorizontalPodAutoscaler", snapshot.autoscalers)):
        for each in objects:
            found = conditions(each)
            told = ", ".join(f"{name} {found[name]['status']}" for name in _SHOWN[kind] if name in found)
            yield f"{kind} {name_of(each)}: {told or 'no condition yet'}"


def autoscaling_causes(snapshot: Snapshot) -> Iterator[Cause]:
    """Yield each ScaledObject and HorizontalPodAutoscaler that cannot read its metric or set the number."""
    told = set()
    for scaled in snapshot.scaled_objects:
        for cause in _of_scaled_object(snapshot, scaled):
            told.add(name_of(scaled))
            yield cause
    for scaler in snapshot.autoscalers:
        target = scaler.get("spec", {}).get("scaleTargetRef", {}).get("name")
        yield from _of_autoscaler(scaler, metric_told=target in told)


def _of_scaled_object(snapshot: Snapshot, scaled: Object) -> Iterator[Cause]:
    name, found = name_of(scaled), conditions(scaled)
    subject = f"ScaledObject {name}"
    if not found:
        yield Cause(
            subject=subject,
            finding="KEDA has not looked at it, so the number of servers does not change",
            way_out="see whether KEDA runs: kubectl -n <namespace of KEDA> get pods",
        )
        return
    if found.get("Paused", {}).get("status") == "True":
        yield Cause(
            subject=subject,
            finding="it is paused, so the number of servers does not change",
            way_out=f"kubectl annotate scaledobject {name} autoscaling.keda.sh/paused- "
            "autoscaling.keda.sh/paused-replicas-",
        )
        return
    for condition, failing, held in _HELD:
        if found.get(condition, {}).get("status") == failing:
            warning = snapshot.last_warning(scaled, "no event tells more")
            yield Cause(
                subject=subject,
                finding=f"{held}: {found[condition].get('message', '')} ({warning})",
                way_out=_WITHOUT_METRIC,
            )
            return


_HELD = (
    ("Fallback", "True", "KEDA has no metric, and sets the number of its fallback"),
    ("Ready", "False", "KEDA holds the present number of servers"),
)
"""Condition, its status without a metric, and what KEDA does then; the first one counts."""
_WITHOUT_METRIC = (
    "ask Prometheus the query of this ScaledObject, as python -m acceptance does; an empty answer means that it does "
    "not scrape the servers, or has not for two minutes yet"
)


def _of_autoscaler(scaler: Object, *, metric_told: bool) -> Iterator[Cause]:
    """Yield what is wrong with an autoscaler.

    Args:
        scaler: the HorizontalPodAutoscaler.
        metric_told: a cause says already that its metric is missing.
    """
    subject, found = f"HorizontalPodAutoscaler {name_of(scaler)}", conditions(scaler)
    able, active = found.get("AbleToScale", {}), found.get("ScalingActive", {})
    if able.get("status") == "False":
        yield Cause(
            subject=subject,
            finding=f"it cannot scale: {able.get('message', '')}",
            way_out="see whether its Deployment exists: pulumi up --refresh",
        )
    elif active.get("status") == "False" and not metric_told:
        yield Cause(
            subject=subject,
            finding=f"it does not scale, {active.get('reason', '')}: {active.get('message', '')}",
            way_out="see whether KEDA's metrics server runs and answers: "
            "kubectl get apiservice v1beta1.external.metrics.k8s.io",
        )
