"""`python -m stacks fit`, against a stand-in for a cluster: a stack that fits, and each way not to."""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from fit.demand import Demand
from fit.questions import QUESTIONS, ask
from fit.row import Result, Row
from rendering.manifests import Manifest, manifests
from stacks.__main__ import main
from stacks.assemble import Resolved
from stacks.resolve import resolve
from tests.support.cluster_contract import check_contract, check_contract_of_a_user_without_rights
from tests.support.cluster_stand_in import ClusterStandIn, changed, profile

HERE = Path(__file__).parents[1] / "fit"
GOOD = profile(HERE / "cluster.yaml")
SECRET = "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAA=="  # noqa: S105
MISFITS: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "misfits.yaml").read_text())


@cache
def rendered(override: str, secrets: tuple[str, ...]) -> tuple[Resolved, list[Manifest]]:
    """Return the stack beside the tests, with an override (JSON) and Pulumi secrets, and its objects."""
    stack = yaml.safe_load((HERE / "stack/stack.yaml").read_text())
    stack["config"] |= {f"sonic:{name}": {"secure": SECRET} for name in secrets}
    stack |= {"encryptionsalt": f"v1:AAAAAAAAAAA=:{SECRET}"} if secrets else {}
    if override != "null":
        stack["config"]["sonic:override"] = json.loads(override)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for part, place in (("site", "stacks/sites/here.yaml"), ("experiment", "stacks/experiments/tiny.yaml")):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text((HERE / f"stack/{part}.yaml").read_text())
        (root / "Pulumi.case.yaml").write_text(yaml.safe_dump(stack, sort_keys=False))
        resolved = resolve("case", root)
    return resolved, manifests(resolved.config)


def rows(*, override: Any = None, cluster: Any = None, pod: Any = None, secrets: Sequence[str] = ()) -> list[Row]:
    """Return the rows of the stack, changed, on its cluster, changed; `pod` is added to its pods."""
    resolved, made = rendered(json.dumps(override), tuple(secrets))
    objects = deepcopy(made)
    for deployment in (each for each in objects if each["kind"] == "Deployment"):
        deployment["spec"]["template"]["spec"].update(pod or {})
    return ask(Demand(resolved, objects), ClusterStandIn(changed(GOOD, cluster or {})))


def failing(found: list[Row]) -> list[str]:
    return [f"{row.subject}: {row.detail}" for row in found if row.result is Result.MISFIT]


CLIENT_SECRET = {
    "kind": "Secret",
    "metadata": {"name": "interlink-client", "namespace": "interlink"},
    "data": {"tls.crt": "", "tls.key": "", "ca.crt": ""},
}
INTERLINK = {"kind": "Namespace", "metadata": {"name": "interlink"}}


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([INTERLINK, CLIENT_SECRET], None),
        ([INTERLINK], "no such secret is in namespace `interlink`"),
        ([CLIENT_SECRET], "namespace `interlink` of a virtual kubelet does not exist"),
    ],
)
def test_a_virtual_node_of_the_stack_need_not_be_there_but_its_namespace_and_secret(
    objects: list[Any], told: str | None
) -> None:
    resolved = resolve("dev-slurm")
    found = ask(Demand(resolved, manifests(resolved.config)), ClusterStandIn(changed(GOOD, {"with": objects})))
    assert "1 nodes would hold 20 pods of sonic-slurm-triton-t4" in "".join(row.detail for row in found)
    misfits = failing(found)
    assert len(misfits) == (told is not None)
    assert all(told in misfit for misfit in misfits if told)


def virtual_node(*, cpu: str = "128", connected: str = "True") -> dict[str, Any]:
    """Return the node of `dev-slurm`, as a virtual kubelet keeps it."""
    return {
        "kind": "Node",
        "metadata": {"name": "interlink-dev", "labels": {"kubernetes.io/hostname": "interlink-dev"}},
        "spec": {"taints": [{"key": "virtual-node.interlink/no-schedule", "value": "true", "effect": "NoSchedule"}]},
        "status": {
            "allocatable": {"cpu": cpu, "memory": "128Gi", "pods": "20"},
            "conditions": [{"type": "InterlinkConnectivity", "status": connected, "reason": "InterlinkPingFailed"}],
        },
    }


def rows_of_jobs(*objects: Any) -> list[Row]:
    """Return the rows of `dev-slurm`, whose servers are jobs, on a cluster with further objects."""
    resolved = resolve("dev-slurm")
    added = [INTERLINK, CLIENT_SECRET, *objects]
    return ask(Demand(resolved, manifests(resolved.config)), ClusterStandIn(changed(GOOD, {"with": added})))


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (virtual_node(), None),
        (virtual_node(connected="False"), "does not reach interLink's API at https://10.123.0.1:13030 (InterlinkPing"),
        (virtual_node(cpu="118"), "offers cpu 118 of 128 at stacks/sites/dev-slurm.yaml:"),
    ],
)
def test_a_virtual_node_is_connected_and_offers_its_whole_capacity(node: dict[str, Any], told: str | None) -> None:
    misfits = failing(rows_of_jobs(node))
    assert len(misfits) == (told is not None)
    assert all(told in misfit for misfit in misfits if told)


NAMESPACE = {"kind": "Namespace", "metadata": {"name": "jobs", "labels": {"app.kubernetes.io/instance": "slurm"}}}


def test_limits_count_the_tunnel_pod_of_each_job() -> None:
    place = {"name": "small", "namespace": "jobs"}
    quota = {"kind": "ResourceQuota", "metadata": place, "spec": {"hard": {"pods": "6"}}}
    limits = [{"type": "Container", "max": {"cpu": "50m"}}]
    (pods,) = [each for each in failing(rows_of_jobs(NAMESPACE, quota)) if each.startswith("quota")]
    assert "leaves pods 6 of 6, and the stack needs 8 at 7 pods and 1 more in a rollout" in pods
    found = failing(rows_of_jobs(NAMESPACE, {"kind": "LimitRange", "metadata": place, "spec": {"limits": limits}}))
    (tunnel,) = [each for each in found if "container tunnel of the tunnels of sonic-slurm-triton-t4" in each]
    assert "change site.virtual_nodes[].tunnel.cpu_cores" in tunnel


def test_limits_count_the_objects_of_each_tunnel_that_interlink_has_not_made() -> None:
    labels = {"app.kubernetes.io/instance": "sonic-slurm", "app.kubernetes.io/managed-by": "interlink"}
    made = {"kind": "Service", "metadata": {"name": "wstunnel-a", "namespace": "jobs", "labels": labels}, "spec": {}}
    hard = {"count/deployments.apps": "4", "services": "4", "count/ingresses.networking.k8s.io": "0"}
    quota = {"kind": "ResourceQuota", "metadata": {"name": "small", "namespace": "jobs"}, "spec": {"hard": hard}}
    found = [row for row in failing(rows_of_jobs(NAMESPACE, quota, made)) if row.startswith("quota")]
    assert re.findall(r"leaves (\S+) .*? needs (\d+)", " ".join(found)) == [("count/deployments.apps", "5")]


def test_a_stack_that_fits_passes_every_row() -> None:
    found = rows()
    assert {row.result for row in found} == {Result.OK}


def test_pages_for_people_that_fit_pass_every_row() -> None:
    way = {"class_name": "haproxy", "controller_namespace": "haproxy"}
    ingress = {"hostname": "prometheus.example.org", "users_secret": "prometheus-users", **way}
    grafana = {"hostname": "grafana.example.org", **way}
    dashboards = {"kind": "grafana", "password_secret": "grafana-password", "ingress": grafana}
    monitoring = {"kind": "own", "url": None, "ingress": ingress, "dashboards": dashboards}
    found = rows(override={"site": {"monitoring": monitoring}}, secrets=["prometheus-users", "grafana-password"])
    assert {row.subject for row in found if row.result is not Result.OK} == {"API server port"}
    told = [row.detail for row in found if row.subject == "host name"]
    assert "no other Ingress has prometheus.example.org" in told
    assert "no other Ingress has grafana.example.org" in told


@pytest.mark.parametrize("name", MISFITS)
def test_a_misfit_is_told_with_its_way_out(name: str) -> None:
    case = MISFITS[name]
    assert failing(rows(**{key: value for key, value in case.items() if key != "fails"})) == case["fails"]


def test_what_the_user_may_not_see_is_no_misfit_and_is_told() -> None:
    denied = ["list nodes", "get secrets", "list ingresses.networking.k8s.io everywhere"]
    found = rows(cluster={"may_not": denied})
    unseen = {row.subject: row.detail for row in found if row.result is Result.NOT_LOOKED_AT}
    assert failing(found) == []
    assert unseen["nodes"] == (
        'the cluster does not tell: nodes is forbidden: User "jane" cannot list resource "nodes"'
    )
    assert unseen.keys() == {"nodes", "secret", "host name"}


def test_objects_of_a_namespace_that_does_not_exist_yet_are_tried_in_another() -> None:
    override = {
        "site": {
            "access": {"namespace": "fresh", "create_namespace": True},
            "storage": {"cvmfs": {"create": True}},
            "exposure": {"tls_secret": None},
            "images": {"pull_secret": None},
        }
    }
    found = {row.subject: row for row in rows(override=override)}
    assert {row.result for row in found.values()} == {Result.OK}
    assert found["dry run"].detail.endswith(" objects pass a dry run, in `default` since `fresh` does not exist yet")
    denied = rows(override=override, cluster={"may_not": ["create serviceaccounts"]})
    (untried,) = (row for row in denied if row.result is Result.NOT_LOOKED_AT)
    assert untried.detail == (
        "you may not create ServiceAccount `sonic-tiny-envoy`, ServiceAccount `sonic-tiny-triton-gpu` in namespace "
        "`default`, not even in a dry run"
    )


def test_a_stack_that_is_deployed_fits_still() -> None:
    own = {"app.kubernetes.io/instance": "sonic-tiny", "app.kubernetes.io/managed-by": "pulumi"}
    managed = [{"manager": "pulumi-kubernetes-1a2b3c4d"}]
    service = {
        "kind": "Service",
        "metadata": {"name": "sonic-tiny-envoy", "namespace": "sonic", "labels": own, "managedFields": managed},
        "spec": {"ports": []},
    }
    found = {row.subject: row for row in rows(cluster={"with": [service]})}
    assert found["names"].detail == "1 objects of the stack exist; the names of the others are free"


def test_the_offline_form_says_what_it_does_not_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "dev", "--offline"]) == 0
    *lines, _, verdict = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [question.subject for question in QUESTIONS]
    assert all("not looked at  needs the cluster: " in line for line in lines)
    assert verdict == f"none of {len(QUESTIONS)} rows fails; {len(QUESTIONS)} not looked at"


def test_a_label_that_the_stack_sets_is_as_good_as_set() -> None:
    labels = {"node": "cpu-0", "labels": {"inference": "yes"}}
    site = {"proxy": {"node_selector": {"inference": "yes"}}, "node_labels": [labels]}
    assert failing(rows(override={"site": {**site, "singletons_owner": "case"}})) == []
    del site["node_labels"]
    (refused,) = failing(rows(override={"site": site}))
    assert "wants label inference=yes, and none of 5 nodes has that label" in refused


def test_the_stand_in_answers_as_a_cluster_does() -> None:
    """`tests/engine/test_fit.py` asks the dev cluster the same."""
    check_contract(ClusterStandIn(GOOD), namespace="monitoring", service="prometheus")
    denied = ClusterStandIn({**GOOD, "may_not": ["create pods", "list nodes"]})
    check_contract_of_a_user_without_rights(denied, namespace="sonic")
