"""An update that cannot succeed ends with its cause, while the server of the revision before goes on serving."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from devcluster.credentials import KUBECONFIG
from tests.support.dev_cluster import Cluster
from tests.support.pulumi_cli import PulumiProject, copy_of_the_program, engine_environment

pytestmark = pytest.mark.engine

STACK = "failing"
NAMESPACE = "sonic-failing"
SITE: Mapping[str, Any] = {
    "access": {"namespace": NAMESPACE},
    "exposure": {"kind": "cluster-ip", "hostname": None, "port": None},
    # The labels of the node are another stack's: this one asks for no product.
    "pools": [{"kind": "kubernetes", "name": "node", "servers_max": 1, "spare_servers": 1, "gpu": {}}],
}
EXPERIMENT: Mapping[str, Any] = {"scaling": {"servers_min": 1, "servers_max": 1}}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A change of the stack, or an object of the cluster, with which no new server starts."""

    told: str
    """Words of the cause."""
    site: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the site."""
    experiment: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the experiment."""
    object: Mapping[str, Any] | None = None
    """Object in the way. The servers then get another time limit, so that there is something to roll out."""


QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"requests.memory": "1Mi"}}}
LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
}
POOL = SITE["pools"][0]
FAULTS = {
    "image": Fault(
        told="its image localhost/sonic-dev/triton:0.0 cannot be pulled",
        experiment={"server": {"image": "localhost/sonic-dev/triton:0.0"}},
    ),
    "node": Fault(told="no node takes it", site={"pools": [{**POOL, "node_selector": {"no": "such-node"}}]}),
    "quota": Fault(told="exceeded quota", object=QUOTA),
    "limit range": Fault(told="maximum memory usage per Container is 1Gi", object=LIMITS),
}


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulumiProject]:  # noqa: ARG001
    """The dev stack once more, with one server."""
    directory = tmp_path_factory.mktemp("program")
    copy_of_the_program(directory)
    project = PulumiProject(directory, engine_environment(KUBECONFIG), STACK)
    configure(project)
    project.up()
    yield project
    project.run("state", "unprotect", "--all", "--yes")
    project.destroy()


def configure(project: PulumiProject, fault: Fault | None = None, *, shutdown_seconds: int = 20) -> None:
    """Write the stack's file: as it is deployed, or with a fault."""
    stack_file = yaml.safe_load((project.directory / "Pulumi.dev.yaml").read_text())
    site = {**SITE, **(fault.site if fault else {})}
    experiment = {
        **EXPERIMENT,
        "traffic": {"shutdown_seconds": shutdown_seconds},
        **(fault.experiment if fault else {}),
    }
    stack_file["config"]["sonic:override"] = {"site": site, "experiment": experiment}
    (project.directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(stack_file))


def serving(cluster: Cluster) -> int:
    """Return the number of servers that are ready."""
    selector = "--selector=app.kubernetes.io/component=triton"
    (found,) = cluster.kubectl.get("deployments", f"--namespace={NAMESPACE}", selector)["items"]
    return int(found["status"].get("availableReplicas", 0))


@pytest.mark.parametrize("name", FAULTS)
def test_an_update_that_cannot_succeed_names_its_cause(deployed: PulumiProject, cluster: Cluster, name: str) -> None:
    fault = FAULTS[name]
    in_the_way = None
    if fault.object is not None:
        in_the_way = {**fault.object, "metadata": {"name": "in-the-way", "namespace": NAMESPACE}}
        cluster.kubectl.apply(json.dumps(in_the_way))
    configure(deployed, fault, shutdown_seconds=20 if fault.object is None else 21)
    try:
        told = deployed.up(fails=True).output
        assert fault.told in told
        assert "way out" in told
        assert "Traceback" not in told
        assert serving(cluster) == 1
    finally:
        if in_the_way is not None:
            cluster.kubectl.run("delete", in_the_way["kind"], "in-the-way", f"--namespace={NAMESPACE}")
        configure(deployed)
        deployed.up()
    assert serving(cluster) == 1
