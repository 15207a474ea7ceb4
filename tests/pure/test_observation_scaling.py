"""The autoscaler's decision and its reason, from KEDA's and the HPA's objects as the API server writes them."""

from typing import Any

import pytest

from observation.scaling import Decision, Metric, decision
from tests.support.observed import DEPLOYMENT, NAMES, autoscaler, condition, deployment, scaled_object
from tests.support.snapshots import Json, named

(POOL,) = NAMES.pools


def decided(scaled: Json | None = None, scaler: Json | None = None) -> Decision:
    objects = ([scaled or scaled_object()], [scaler or autoscaler()])
    return decision(POOL, [deployment()], *objects)


def test_the_numbers_are_those_of_the_autoscaler() -> None:
    found = decided(scaler=autoscaler(wants=3))
    assert (found.wants, found.has, found.servers_min, found.servers_max) == (3, 2, 2, 4)


def test_a_metric_has_the_name_of_its_trigger_and_its_present_value() -> None:
    assert decided().metrics == (Metric(name="waiting-work", present=0.3, target=1.0, unit="ms"),)


def test_a_metric_without_a_value_is_shown_without_one() -> None:
    assert decided(scaler=autoscaler(present=None)).metrics == (
        Metric(name="waiting-work", present=None, target=1.0, unit="ms"),
    )


ABLE = condition("AbleToScale", "True", "ReadyForNewScale")
ACTIVE = condition("ScalingActive", "True", "ValidMetricFound")
FITS = condition("ScalingLimited", "False", "DesiredWithinRange")

REASONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all is well": ({"scaler": autoscaler(ABLE, ACTIVE, FITS)}, ["the number fits the load"]),
    "at the ceiling": (
        {"scaler": autoscaler(ABLE, ACTIVE, condition("ScalingLimited", "True", "TooManyReplicas"))},
        ["at its ceiling: the load asks for more than the most servers (TooManyReplicas)"],
    ),
    "kept after a load": (
        {"scaler": autoscaler(condition("AbleToScale", "True", "ScaleDownStabilized"), ACTIVE, FITS)},
        ["keeps servers for a while, since the load was higher before (ScaleDownStabilized)"],
    ),
    "no metric": (
        {
            "scaled": scaled_object(condition("Ready", "False", "TriggerError", "Triggers are not working")),
            "scaler": autoscaler(
                ABLE,
                condition("ScalingActive", "False", "FailedGetExternalMetric", "no metric"),
                condition("ScalingLimited", "True", "TooFewReplicas"),
            ),
        },
        [
            "KEDA holds the present number (TriggerError: Triggers are not working)",
            "no metric can be read (FailedGetExternalMetric: no metric)",
        ],
    ),
    "paused": (
        {"scaled": scaled_object(condition("Paused", "True", "ScaledObjectPaused"), condition("Ready", "True"))},
        ["KEDA is paused, so the number does not follow the load (ScaledObjectPaused)"],
    ),
    "KEDA has not looked": (
        {"scaled": {"metadata": named(DEPLOYMENT), "spec": {}}},
        [f"the ScaledObject {DEPLOYMENT} has no condition: KEDA has not looked at it"],
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_decision_has_its_reasons(case: str) -> None:
    objects, reasons = REASONS[case]
    assert list(decided(**objects).reasons) == reasons


def test_without_objects_of_keda_the_deployment_has_the_number() -> None:
    found = decision(POOL, [deployment(3)], [], [])
    assert (found.wants, found.has) == (3, 3)
    assert found.reasons == (
        f"the ScaledObject {DEPLOYMENT} is not there",
        "there is no HorizontalPodAutoscaler, which KEDA makes",
    )
