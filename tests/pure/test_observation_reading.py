"""Reading of a stack: each answer that does not come is a sentence in its place."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from access.prometheus import Ask, NotAskedError
from observation.facts import Sample, Unknown
from observation.reading import samples
from stacks.__main__ import main
from stacks.resolve import ROOT
from testbed.polling import eventually
from testbed.prometheus_stub import PrometheusStub, vector
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.kubectl_stand_in import KubectlStandIn, kubectl
from tests.support.observed import scaled_object, server
from tests.support.snapshots import Json

__all__ = ["kubectl"]

NAMESPACE, INSTANCE = "sonic-dev", "sonic-demo"
KINDS = {
    "pods": "/api/v1",
    "deployments": "/apis/apps/v1",
    "scaledobjects": "/apis/keda.sh/v1alpha1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
}
NO_RIGHT = 'is forbidden: User "jane" cannot list resource in the namespace'


@pytest.fixture
def cluster(kubectl: KubectlStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubectlStandIn:
    """A program in kubectl's place, and a kubeconfig with the context of the stack `dev`."""
    write_kubeconfig(tmp_path / "kubeconfig", "sonic-dev")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("SONIC_KUBE_CONTEXT", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest's workers have it
    return kubectl


def answers(status: int = 200, message: str = "", **objects: list[Json]) -> dict[str, Any]:
    """Return the answers to the lists of all kinds: these objects, or a refusal."""
    selector = quote(f"app.kubernetes.io/instance={INSTANCE}", safe="")
    paths = {kind: f"{root}/namespaces/{NAMESPACE}/{kind}?labelSelector={selector}" for kind, root in KINDS.items()}
    paths["events"] = f"/api/v1/namespaces/{NAMESPACE}/events"
    found = {kind: {"items": objects.get(kind, []), "message": f"{kind} {message}"} for kind in paths}
    return {f"GET {path}": [status, found[kind]] for kind, path in paths.items()}


def test_a_frame_is_printed_where_there_is_no_terminal(
    cluster: KubectlStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "sonic-demo-triton-node-7d4b9c6f5-x2lqp"
    pods = [server(name, labels={"sonic.fastmachinelearning.org/pool": "node"})]
    cluster.answers(**answers(pods=pods, scaledobjects=[scaled_object()]))
    with PrometheusStub() as prometheus:
        prometheus.answer = vector()
        assert main(["watch", "dev", "--prometheus", prometheus.url]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("stack dev: sonic-demo in namespace sonic-dev, ")
    assert any(line.split()[:2] == [name, "ready"] for line in printed.splitlines())
    assert "\x1b" not in printed


def test_a_user_without_rights_sees_sentences(cluster: KubectlStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.answers(**answers(403, NO_RIGHT))
    assert main(["watch", "dev", "--once"]) == 1
    printed = capsys.readouterr().out
    for kind in ("pods", "deployments.apps", "events"):
        assert f"{kind} cannot be read" in printed
    assert "get the right to `list` them in namespace sonic-dev" in printed
    assert "Service sonic-demo-prometheus of namespace sonic-dev does not lead to a Prometheus" in printed


def test_a_cluster_that_kubectl_does_not_reach_is_one_sentence(
    cluster: KubectlStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.answers(error="error: no credentials")
    assert main(["watch", "dev"]) == 1
    assert capsys.readouterr().err.strip() == "kubectl proxy did not start: error: no credentials"


def gives(answer: Any) -> Ask:
    return lambda _: answer


def test_values_that_are_no_numbers_are_left_out() -> None:
    answer = json.loads(vector("7", "NaN", "+Inf"))
    assert samples(gives(answer), "up") == [Sample(labels={"release": "r0"}, value=7.0)]


def test_a_refused_query_is_told_with_prometheus_own_words() -> None:
    assert samples(gives({"status": "error", "error": "query timed out"}), "up") == Unknown(
        "Prometheus refuses the query (query timed out)"
    )


def test_a_prometheus_that_cannot_be_asked_is_told() -> None:
    def refuse(_: str) -> Any:
        msg = "not asked (no kubectl): install it"
        raise NotAskedError(msg)

    assert samples(refuse, "up") == Unknown("Prometheus: not asked (no kubectl): install it")


def test_a_key_ends_the_live_view_and_the_terminal_is_as_before(cluster: KubectlStandIn) -> None:
    cluster.answers(**answers(pods=[]))
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "stacks", "watch", "dev", "--prometheus", "http://127.0.0.1:1"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50"}
    shown = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([ours], [], [], 0.05)[0]:
            shown.extend(os.read(ours, 65536))
        return text in shown

    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as view:
        eventually(lambda: shows(b"no pod of a server"), "the view shows a frame")
        assert shows(b"\x1b[?1049h"), "the view has a screen of its own"
        os.write(ours, b"q")
        eventually(lambda: shows(b"\x1b[?1049l") and view.poll() is not None, "the view ends and gives the screen back")
    assert view.returncode == 0
    assert termios.tcgetattr(theirs) == before
