"""The official plugin: `up` ends when pods are ready, and names the reason when they are not."""

import time
from typing import Any

import pytest

from components.rollout import not_awaited
from tests.support.plugin_stack import PluginStack, Resource, resource

pytestmark = pytest.mark.engine

PAUSE_IMAGE = "localhost/sonic-dev/pause:1"
LABELS = {"app": "workload"}
NEVER_READY = {"exec": {"command": ["/no-such-program"]}, "periodSeconds": 1}
SHORT_TIMEOUT = {"pulumi.com/timeoutSeconds": "8"}


def workload(image: str = PAUSE_IMAGE, *, annotations: dict[str, str] | None = None, **container: Any) -> Resource:
    main = {"name": "main", "image": image, "imagePullPolicy": "Never", **container}
    return resource(
        "workload",
        "apps/v1",
        "Deployment",
        metadata={"name": "workload", "annotations": annotations or {"purpose": "test"}},
        spec={
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [main], "terminationGracePeriodSeconds": 0},
            },
        },
    )


def service(**spec: Any) -> Resource:
    return resource(
        "front",
        "v1",
        "Service",
        metadata={"name": "front", "annotations": SHORT_TIMEOUT},
        spec={"selector": LABELS, "ports": [{"port": 80}], **spec},
        depends_on=["workload"],
    )


def test_a_deployment_is_up_when_its_pods_are_ready(stack: PluginStack) -> None:
    project = stack.declare(workload())

    project.up()

    status = project.export()["workload"]["outputs"]["status"]
    assert (status["readyReplicas"], status["observedGeneration"]) == (1, 1)


def test_a_roll_out_is_waited_for_until_the_new_revision_is_ready(stack: PluginStack) -> None:
    project = stack.declare(workload())
    project.up()
    stack.declare(workload(env=[{"name": "GENERATION", "value": "2"}]))

    project.up()

    outputs = project.export()["workload"]["outputs"]
    assert outputs["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert (outputs["status"]["updatedReplicas"], outputs["status"]["readyReplicas"]) == (1, 1)


def test_a_deployment_whose_pods_cannot_start_fails_with_their_reason_and_heals(stack: PluginStack) -> None:
    project = stack.declare(workload("localhost/sonic-dev/no-such-image:1", annotations=SHORT_TIMEOUT))

    output = project.up(fails=True).output

    assert "ErrImageNeverPull" in output
    assert project.export()["workload"]["initErrors"]
    stack.declare(workload())
    project.up()
    assert "initErrors" not in project.export()["workload"]


def test_refresh_reports_a_deployment_that_does_not_work(stack: PluginStack) -> None:
    project = stack.declare(workload("localhost/sonic-dev/no-such-image:1", annotations=SHORT_TIMEOUT))
    project.up(fails=True)

    output = project.refresh().output

    assert "unhealthy" in output
    assert "ErrImageNeverPull" in output
    assert project.preview().operations == {"workload": "update"}


def test_a_deployment_that_is_not_awaited_is_not_judged_either(stack: PluginStack) -> None:
    skipping = {"pulumi.com/skipAwait": "true"}
    project = stack.declare(workload("localhost/sonic-dev/no-such-image:1", annotations=skipping))

    project.up()
    project.refresh()

    assert "initErrors" not in project.export()["workload"]


def test_a_service_waits_for_endpoints_that_are_getting_ready(stack: PluginStack) -> None:
    skipping = {"pulumi.com/skipAwait": "true"}
    project = stack.declare(workload(annotations=skipping, readinessProbe=NEVER_READY), service())

    output = project.up(fails=True).output

    assert "front" in output
    assert "not target any Pods" in output


@pytest.mark.parametrize(
    "spec",
    [{}, {"clusterIP": "None"}, {"selector": {"app": "nobody"}}],
    ids=["with ready endpoints", "headless", "matching no Pod"],
)
def test_a_service_with_nothing_getting_ready_is_up(stack: PluginStack, spec: dict[str, Any]) -> None:
    project = stack.declare(workload(), service(**spec))

    project.up()

    assert project.export()["front"]["outputs"]["spec"]["clusterIP"]


def test_a_custom_timeout_wins_over_the_annotation(stack: PluginStack) -> None:
    unready = workload(annotations={"pulumi.com/timeoutSeconds": "600"}, readinessProbe=NEVER_READY)
    unready.options["custom_timeouts"] = {"create": "3s"}
    project = stack.declare(unready)

    started = time.monotonic()
    assert "workload" in project.up(fails=True).output
    assert time.monotonic() - started < 120, "the annotation allows 600 s"


def test_an_interrupted_wait_ends_at_once_and_the_state_is_complete(stack: PluginStack) -> None:
    unready = workload(annotations={"pulumi.com/timeoutSeconds": "86400"}, readinessProbe=NEVER_READY)
    project = stack.declare(unready)

    project.interrupted_up(after="app ReplicaSet")

    assert project.export()["workload"]["initErrors"]
    assert stack.live("Deployment", "workload")


def test_a_claim_without_a_volume_holds_no_update_that_does_not_await_it(stack: PluginStack) -> None:
    spec = {
        "accessModes": ["ReadOnlyMany"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    claim = resource("claim", "v1", "PersistentVolumeClaim", metadata=not_awaited({"name": "claim"}), spec=spec)

    stack.declare(claim).up()

    assert stack.live("PersistentVolumeClaim", "claim")["status"]["phase"] == "Pending"
