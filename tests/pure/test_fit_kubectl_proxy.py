"""The Kubernetes API through kubectl, with a program in kubectl's place that gives recorded answers."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from access.kubeconfig import KubeContext
from fit.cluster import NODES, PODS, SECRETS, NotAllowedError, Resource, Right, UnreachableError
from fit.kubectl_proxy import kubectl_proxy

CONTEXT = KubeContext(kubeconfig=Path("/etc/here/kubeconfig"), name="here")
NO_RIGHT = 'pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "sonic"'
NO_QUOTA = 'pods "a" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4'

PROGRAM = f"""#!{sys.executable}
import http.server, json, os, socketserver, sys
folder = os.path.dirname(os.path.abspath(__file__))
json.dump(sys.argv[1:], open(os.path.join(folder, "arguments"), "w"))
answers = json.load(open(os.path.join(folder, "answers")))
if "error" in answers:
    sys.exit(answers["error"])

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = answers.get(self.command + " " + self.path, [404, "404 page not found"])
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())
    do_GET = do_POST = answer
    def address_string(self):
        return ""
    def log_message(self, *arguments):
        pass

path = sys.argv[-1].partition("=")[2]
with socketserver.UnixStreamServer(path, Handler) as server:
    print("Starting to serve on", path, flush=True)
    server.serve_forever()
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the program; the test writes its `answers`."""
    program = tmp_path / "kubectl"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def answers(folder: Path, **found: Any) -> None:
    (folder / "answers").write_text(json.dumps(found))


def test_the_context_of_the_site_is_asked_through_its_own_kubeconfig(kubectl: Path) -> None:
    answers(kubectl, **{"GET /version": [200, {"gitVersion": "v1.29.4+rke2r1"}]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.version() == "v1.29.4+rke2r1"
    arguments = json.loads((kubectl / "arguments").read_text())
    assert arguments[:3] == ["--kubeconfig=/etc/here/kubeconfig", "--context=here", "proxy"]


def test_values_of_secrets_are_not_kept(kubectl: Path) -> None:
    secret = {"metadata": {"name": "tls"}, "type": "kubernetes.io/tls", "data": {"tls.key": "c2VjcmV0"}}
    answers(kubectl, **{"GET /api/v1/namespaces/sonic/secrets/tls": [200, secret]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.get(SECRETS, "tls", "sonic") == {**secret, "data": {"tls.key": ""}}
        assert cluster.get(SECRETS, "other", "sonic") is None


def test_kinds_and_objects_are_listed(kubectl: Path) -> None:
    kinds = [
        {"kind": "Deployment", "name": "deployments", "namespaced": True},
        {"kind": "Scale", "name": "deployments/scale", "namespaced": True},
    ]
    nodes = [{"metadata": {"name": "a"}}]
    found = {"GET /apis/apps/v1": [200, {"resources": kinds}], "GET /api/v1/nodes": [200, {"items": nodes}]}
    answers(kubectl, **found)
    with kubectl_proxy(CONTEXT) as cluster:
        assert {kind: tuple(served) for kind, served in cluster.served("apps/v1").items()} == {
            "Deployment": ("deployments", True)
        }
        assert cluster.served("keda.sh/v1alpha1") == {}
        assert cluster.list(NODES) == nodes
        assert cluster.list(Resource("keda.sh/v1alpha1", "scaledobjects"), "sonic") == []


def test_a_right_is_asked_by_a_review(kubectl: Path) -> None:
    path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answers(kubectl, **{path: [201, {"status": {"allowed": False}}]})
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
    kubectl: Path, status: int, body: Any, refusal: str | None
) -> None:
    path = "POST /api/v1/namespaces/sonic/pods?dryRun=All&fieldValidation=Strict&fieldManager=sonic-fit"
    answers(kubectl, **{path: [status, body]})
    with kubectl_proxy(CONTEXT) as cluster:
        assert cluster.dry_run(PODS, {}, "sonic").refusal == refusal


def test_a_dry_run_that_the_user_may_not_make_is_no_refusal(kubectl: Path) -> None:
    path = "POST /api/v1/namespaces/sonic/pods?dryRun=All&fieldValidation=Strict&fieldManager=sonic-fit"
    answers(kubectl, **{path: [403, {"message": NO_RIGHT}]})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(NotAllowedError, match="cannot create resource"):
        cluster.dry_run(PODS, {}, "sonic")


def test_a_question_that_the_user_may_not_ask_is_told_apart(kubectl: Path) -> None:
    message = 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope'
    answers(kubectl, **{"GET /api/v1/nodes": [403, {"message": message}]})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(NotAllowedError, match="cannot list resource"):
        cluster.list(NODES)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([401, {"message": "Unauthorized"}], "the cluster does not accept these credentials: log in to it again"),
        ([500, "dial tcp 10.0.0.1:6443: connect: connection refused\n"], "dial tcp 10.0.0.1:6443: connect: connection"),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_in_a_sentence(kubectl: Path, answer: Any, told: str) -> None:
    answers(kubectl, **{"GET /version": answer})
    with kubectl_proxy(CONTEXT) as cluster, pytest.raises(UnreachableError, match=told):
        cluster.version()


def test_a_kubectl_that_does_not_start_is_told_with_its_words(kubectl: Path) -> None:
    answers(kubectl, error="error: context was not found")
    told = "kubectl proxy did not start: error: context was not found"
    with pytest.raises(UnreachableError, match=told), kubectl_proxy(CONTEXT):
        pass


def test_a_missing_kubectl_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreachableError, match="kubectl is not on PATH: install it"), kubectl_proxy(CONTEXT):
        pass
