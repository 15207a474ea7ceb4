"""The Kubernetes API through kubectl, with a program in kubectl's place that gives recorded answers."""

import time
from pathlib import Path
from typing import Any

import pytest

from access.cluster import NODES, PODS, SECRETS, NotAllowedError, Resource, Right, UnreachableError
from access.kubeconfig import KubeContext
from access.kubectl_proxy import ApiServer, kubectl_proxy
from tests.support.kubectl_stand_in import KubectlStandIn, kubectl

__all__ = ["kubectl"]

CONTEXT = KubeContext(kubeconfig=Path("/etc/here/kubeconfig"), name="here")
NO_RIGHT = 'pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "sonic"'
NO_QUOTA = 'pods "a" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4'


def test_the_context_of_the_site_is_asked_through_its_own_kubeconfig(kubectl: KubectlStandIn) -> None:
    kubectl.answers(**{"GET /version": [200, {"gitVersion": "v1.29.4+rke2r1"}]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.version() == "v1.29.4+rke2r1"
    assert kubectl.arguments[:3] == ["--kubeconfig=/etc/here/kubeconfig", "--context=here", "proxy"]


def test_values_of_secrets_are_not_kept(kubectl: KubectlStandIn) -> None:
    secret = {"metadata": {"name": "tls"}, "type": "kubernetes.io/tls", "data": {"tls.key": "c2VjcmV0"}}
    kubectl.answers(**{"GET /api/v1/namespaces/sonic/secrets/tls": [200, secret]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.get(SECRETS, "tls", "sonic") == {**secret, "data": {"tls.key": ""}}
        assert cluster.get(SECRETS, "other", "sonic") is None


def test_kinds_and_objects_are_listed(kubectl: KubectlStandIn) -> None:
    kinds = [
        {"kind": "Deployment", "name": "deployments", "namespaced": True},
        {"kind": "Scale", "name": "deployments/scale", "namespaced": True},
    ]
    nodes = [{"metadata": {"name": "a"}}]
    found = {"GET /apis/apps/v1": [200, {"resources": kinds}], "GET /api/v1/nodes": [200, {"items": nodes}]}
    kubectl.answers(**found)
    with kubectl_proxy(CONTEXT) as cluster:
        assert {kind: tuple(served) for kind, served in cluster.served("apps/v1").items()} == {
            "Deployment": ("deployments", True)
        }
        assert cluster.served("keda.sh/v1alpha1") == {}
        assert cluster.list(NODES) == nodes
        assert cluster.list(Resource("keda.sh/v1alpha1", "scaledobjects"), "sonic") == []


def test_a_right_is_asked_by_a_review(kubectl: KubectlStandIn) -> None:
    path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    kubectl.answers(**{path: [201, {"status": {"allowed": False}}]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert not cluster.may(Right("create", PODS, "sonic"))


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (201, {"kind": "Pod"}, None),
        (409, {"message": 'pods "a" already exists'}, None),
        (403, {"message": NO_QUOTA}, NO_QUOTA),
        (
            400,
            {"message": 'strict decoding error: unknown field "spec.x"'},
            'strict decoding error: unknown field "spec.x"',
        ),
        (500, {"message": "failed calling webhook"}, "failed calling webhook"),
    ],
)
def test_a_dry_run_is_refused_by_validation_and_admission(
    kubectl: KubectlStandIn, status: int, body: Any, refusal: str | None
) -> None:
    path = "POST /api/v1/namespaces/sonic/pods?dryRun=All&fieldValidation=Strict&fieldManager=sonic-fit"
    kubectl.answers(**{path: [status, body]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.dry_run(PODS, {}, "sonic").refusal == refusal


def test_a_dry_run_that_the_user_may_not_make_is_no_refusal(kubectl: KubectlStandIn) -> None:
    path = "POST /api/v1/namespaces/sonic/pods?dryRun=All&fieldValidation=Strict&fieldManager=sonic-fit"
    kubectl.answers(**{path: [403, {"message": NO_RIGHT}]})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(NotAllowedError, match="cannot create resource"):
        cluster.dry_run(PODS, {}, "sonic")


def test_a_question_that_the_user_may_not_ask_is_told_apart(kubectl: KubectlStandIn) -> None:
    message = 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope'
    kubectl.answers(**{"GET /api/v1/nodes": [403, {"message": message}]})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(NotAllowedError, match="cannot list resource"):
        cluster.list(NODES)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([401, {"message": "Unauthorized"}], "the cluster does not accept these credentials: log in to it again"),
        ([500, "dial tcp 10.0.0.1:6443: connect: connection refused\n"], "dial tcp 10.0.0.1:6443: connect: connection"),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_in_a_sentence(kubectl: KubectlStandIn, answer: Any, told: str) -> None:
    kubectl.answers(**{"GET /version": answer})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(UnreachableError, match=told):
        cluster.version()


def test_a_kubectl_that_does_not_start_is_told_with_its_words(kubectl: KubectlStandIn) -> None:
    kubectl.answers(error="error: context was not found")
    told = "kubectl proxy did not start: error: context was not found"
    with pytest.raises(UnreachableError, match=told), kubectl_proxy(CONTEXT):
        pass


def test_a_missing_kubectl_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreachableError, match="kubectl is not on PATH: install it"), kubectl_proxy(CONTEXT):
        pass


def test_a_log_is_asked_for_again_while_its_container_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(400, "previous terminated container not found"), (200, ""), (200, "error: no such flag\n")])
    monkeypatch.setattr(ApiServer, "_exchange", lambda *_: next(answers))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert ApiServer(Path("socket")).log("sonic", "triton", "triton", lines=9) == ["error: no such flag"]
