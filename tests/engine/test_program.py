"""The whole program by the real CLI: every stack previews, and one lives through what an operator does to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.addresses import CLUSTER_NAME
from devcluster.credentials import KUBECONFIG
from tests.support.dev_cluster import Cluster
from tests.support.dev_stack import eventually
from tests.support.pulumi_cli import PulumiProject, copy_of_the_program, engine_environment, write_override
from tests.support.second_stack import EXPOSURE, POOL, SERVER
from tests.support.stacks import STACKS

pytestmark = pytest.mark.engine

STACK = "engine"
"""The dev stack under another name and in another namespace: `dev` itself may stand in the cluster, on its port."""
NAMESPACE = "sonic-engine"
SCALED_OBJECT = "scaledobject/sonic-demo-triton-node"
OVERRIDE = {
    "site": {
        "access": {"namespace": NAMESPACE},
        "exposure": EXPOSURE,
        "pools": [{**POOL, "servers_max": 2}],
    },
    "experiment": {"server": SERVER, "scaling": {"servers_min": 1, "servers_max": 2}},
}


@pytest.mark.parametrize("stack", [stack for stack in STACKS if not stack.startswith("dev")])
def test_every_stack_previews_against_a_cluster_that_it_does_not_fit(
    cluster: Cluster,  # noqa: ARG001
    stack: str,
    tmp_path: Path,
) -> None:
    copy_of_the_program(tmp_path)
    project = PulumiProject(tmp_path, engine_environment(KUBECONFIG), stack)
    project.set_environment("SONIC_KUBE_CONTEXT", CLUSTER_NAME)
    preview = project.preview(fails=True)
    assert any("the stack does not fit its cluster" in message for message in preview.messages)
    operations = preview.operations
    assert {f"{name}-deployment" for name in ("triton", "envoy")} <= {_role(name) for name in operations}
    assert set(operations.values()) <= {"create", "read"}


def _role(name: str) -> str:
    """`triton-deployment` of `sonic-cms-triton-geddes-deployment`."""
    parts = [part for part in name.split("-") if part in {"triton", "envoy", "deployment"}]
    return "-".join(parts)


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulumiProject]:  # noqa: ARG001
    """The dev stack once more, beside the other, in a namespace of its own."""
    directory = tmp_path_factory.mktemp("program")
    copy_of_the_program(directory)
    write_override(directory, STACK, OVERRIDE)
    project = PulumiProject(directory, engine_environment(KUBECONFIG), STACK)
    project.up()
    yield project
    project.run("state", "unprotect", "--all", "--yes")
    project.destroy()


def available(cluster: Cluster, component: str) -> int:
    """Available replicas of the Deployment of one part."""
    selector = f"--selector=app.kubernetes.io/component={component}"
    (found,) = cluster.kubectl.get("deployments", f"--namespace={NAMESPACE}", selector)["items"]
    return int(found["status"].get("availableReplicas", 0))


def config_map_of_envoy(cluster: Cluster) -> set[str]:
    """The ConfigMaps that the Envoys that stand were started from."""
    listed = cluster.kubectl.get(
        "pods",
        f"--namespace={NAMESPACE}",
        "--selector=app.kubernetes.io/component=envoy",
        "--field-selector=status.phase=Running",
    )["items"]
    volumes = [v for pod in listed if "deletionTimestamp" not in pod["metadata"] for v in pod["spec"]["volumes"]]
    return {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}


def test_up_ends_when_everything_answers(deployed: PulumiProject, cluster: Cluster) -> None:
    outputs = deployed.outputs()
    assert outputs["grpc_endpoint"] == f"sonic-demo-envoy.{NAMESPACE}.svc.cluster.local:8001"
    assert outputs["siteconf"]["SONIC_LOCAL_BALANCER_PORT"] == "8001"
    assert (available(cluster, "envoy"), available(cluster, "prometheus")) == (2, 1)
    assert available(cluster, "triton") >= 1


def test_nothing_changes_where_nothing_was_changed(deployed: PulumiProject) -> None:
    deployed.run("preview", "--expect-no-changes")
    deployed.run("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_the_autoscalers_number_is_no_drift(deployed: PulumiProject, cluster: Cluster) -> None:
    def annotate(annotation: str) -> None:
        cluster.kubectl.run("annotate", SCALED_OBJECT, annotation, f"--namespace={NAMESPACE}")

    # Otherwise the idle pool is scaled down again before it is looked at.
    annotate("autoscaling.keda.sh/paused=true")
    try:
        cluster.kubectl.run("scale", "deployment/sonic-demo-triton-node", "--replicas=2", f"--namespace={NAMESPACE}")
        eventually(lambda: available(cluster, "triton") == 2, "the second server", timeout_seconds=180)
        deployed.run("preview", "--refresh", "--expect-no-changes")
    finally:
        annotate("autoscaling.keda.sh/paused-")


def test_a_field_changed_by_hand_is_named_by_preview_and_taken_back_by_up(
    deployed: PulumiProject, cluster: Cluster
) -> None:
    change = json.dumps({"spec": {"maxReplicaCount": 7}})
    cluster.kubectl.run("patch", SCALED_OBJECT, "--type=merge", f"--patch={change}", f"--namespace={NAMESPACE}")

    told = deployed.failing_preview("--refresh")
    assert "sonic-demo-triton-node" in told
    assert "kubectl-patch" in told
    assert ".spec.maxReplicaCount" in told

    deployed.up("--refresh")
    assert cluster.kubectl.get(SCALED_OBJECT, f"--namespace={NAMESPACE}")["spec"]["maxReplicaCount"] == 2
    deployed.run("preview", "--refresh", "--expect-no-changes")


def test_a_changed_fact_rolls_envoy_with_a_new_configuration(deployed: PulumiProject, cluster: Cluster) -> None:
    (before,) = config_map_of_envoy(cluster)
    experiment = deployed.directory / "stacks" / "experiments" / "demo.yaml"
    text = experiment.read_text()
    assert "longest_request_seconds: 60" in text
    experiment.write_text(text.replace("longest_request_seconds: 60", "longest_request_seconds: 45"))

    operations = deployed.preview().operations
    touched = {name: operation for name, operation in operations.items() if operation not in {"same", "read"}}
    assert touched == {
        "sonic-demo-envoy-config": "replace",
        "sonic-demo-envoy-deployment": "update",
        "sonic-demo-rollout-record": "replace",
    }

    deployed.up()
    eventually(lambda: len(config_map_of_envoy(cluster)) == 1, "one configuration for all Envoys", timeout_seconds=60)
    assert config_map_of_envoy(cluster) != {before}
    maps = cluster.kubectl.get("configmaps", f"--namespace={NAMESPACE}")["items"]
    assert before not in {item["metadata"]["name"] for item in maps}


def test_a_mistake_is_refused_and_nothing_is_lost(deployed: PulumiProject, cluster: Cluster) -> None:
    site = deployed.directory / "stacks" / "sites" / "dev.yaml"
    text = site.read_text()
    site.write_text(text.replace("memory_mib: 256", "memory_mb: 256"))
    try:
        told = deployed.failing_preview()
        failed = deployed.up(fails=True).output
    finally:
        site.write_text(text)
    for output in (told, failed):
        assert "site.proxy.memory_mb" in output
        assert "Traceback" not in output
    assert available(cluster, "envoy") == 2
    deployed.run("preview", "--expect-no-changes")
