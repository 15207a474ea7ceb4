"""What a pod, a client on this machine and an operator may expect of the cluster; and that it survives being killed."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster import pids
from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.supervisor import Supervisor
from testbed.polling import eventually
from tests.support.dev_cluster import Cluster, command_line

pytestmark = pytest.mark.live

NAMESPACE = "cluster-test"
NODE_PORT_URL = "http://127.0.0.1:30999/"
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def echo(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with the workload of `workload.yaml` on it, two pods or more ready."""
    cluster.kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found")
    cluster.kubectl.apply((Path(__file__).parent / "workload.yaml").read_text())
    cluster.kubectl.run("-n", NAMESPACE, "rollout", "status", "deployment/echo", f"--timeout={PATIENCE_SECONDS}s")
    yield cluster
    cluster.kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found")


def pods(cluster: Cluster) -> list[str]:
    return cluster.kubectl.run("-n", NAMESPACE, "get", "pods", "-l", "app=echo", "-o", "name").split()


def answer(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  an address of this machine
        return str(response.read().decode())


def answers(url: str) -> bool:
    try:
        return bool(answer(url))
    except OSError:
        return False


def from_a_pod(cluster: Cluster, url: str) -> str:
    script = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
    return cluster.kubectl.run("-n", NAMESPACE, "exec", "deployment/echo", "--", "python3", "-c", script).strip()


def test_a_client_on_this_machine_reaches_pods_by_a_node_port(echo: Cluster) -> None:
    eventually(lambda: answers(NODE_PORT_URL), "the node port answers")
    assert f"pod/{answer(NODE_PORT_URL)}" in pods(echo)


@pytest.mark.parametrize("url", ["http://echo/", f"http://echo.{NAMESPACE}.svc.cluster.local/"])
def test_a_pod_reaches_a_service_by_its_name(echo: Cluster, url: str) -> None:
    assert f"pod/{from_a_pod(echo, url)}" in pods(echo)


def test_a_pod_reaches_itself_through_its_service(echo: Cluster) -> None:
    """Enough calls that each of the pods behind the Service, the caller too, is met."""
    seen = {from_a_pod(echo, "http://echo/") for _ in range(12)}
    assert {f"pod/{name}" for name in seen} >= set(pods(echo)[:2])


def test_a_pod_reaches_the_model_repository_on_the_machine(echo: Cluster) -> None:
    assert "<Name>models</Name>" in from_a_pod(echo, "http://10.123.0.1:19000/")


def test_logs_are_shown(echo: Cluster) -> None:
    assert "listening" in echo.kubectl.run("-n", NAMESPACE, "logs", "deployment/echo")
    result = echo.command("logs", "echo")
    assert re.search(r"^\[pod/echo-.*\] listening$", result.stdout, re.MULTILINE)


def test_port_forward_works(echo: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = echo.kubectl.command("-n", NAMESPACE, "port-forward", "deployment/echo", f"{port}:8080")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as forward:
        try:
            eventually(lambda: answers(f"http://127.0.0.1:{port}/"), "the forwarded port answers")
        finally:
            forward.terminate()


def test_the_restricted_profile_is_enforced(echo: Cluster) -> None:
    with pytest.raises(DevClusterError, match="violates PodSecurity"):
        echo.kubectl.run("-n", NAMESPACE, "run", "root", "--image=localhost/sonic-dev/triton:24.10")


def test_gpus_are_scheduled_and_run_out(echo: Cluster) -> None:
    pod = echo.kubectl.get("-n", NAMESPACE, pods(echo)[0])
    greedy: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy", "namespace": NAMESPACE}}
    greedy["spec"] = {key: pod["spec"][key] for key in ("securityContext", "containers")}
    for container in greedy["spec"]["containers"]:
        container["resources"] = {"limits": {"nvidia.com/gpu": "9"}}
        container["volumeMounts"] = []
    echo.kubectl.apply(json.dumps(greedy))

    def is_refused() -> bool:
        conditions = echo.kubectl.get("-n", NAMESPACE, "pod/greedy").get("status", {}).get("conditions", [])
        return any("Insufficient nvidia.com/gpu" in condition.get("message", "") for condition in conditions)

    eventually(is_refused, "the scheduler says that there are no nine GPUs")
    echo.kubectl.run("-n", NAMESPACE, "delete", "pod", "greedy")


def test_keda_scales_through_the_external_metrics_api(echo: Cluster) -> None:
    eventually(lambda: len(pods(echo)) == 3, "three pods")


def versions(cluster: Cluster, kind: str, namespace: str) -> dict[str, object]:
    """The version of each object; of those whose status moves by itself, the generation."""
    metadata = [item["metadata"] for item in cluster.kubectl.get(kind, f"--namespace={namespace}")["items"]]
    return {one["uid"]: one.get("generation", one["resourceVersion"]) for one in metadata}


def running(cluster: Cluster) -> dict[str, object]:
    """The daemons, and the pods and other objects of the add-ons: what a second `up` could touch."""
    namespaces = ("kube-system", "keda")
    pods = [pod for namespace in namespaces for pod in cluster.kubectl.get("pods", f"--namespace={namespace}")["items"]]
    return {
        "daemons": {name: state.pid for name, state in Supervisor().states().items()},
        "restarts": {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods},
        "objects": [
            versions(cluster, kind, namespace)
            for kind in ("deployments", "services", "configmaps", "serviceaccounts")
            for namespace in namespaces
        ],
    }


def test_a_second_up_changes_nothing(cluster: Cluster) -> None:
    before = running(cluster)
    result = cluster.command("up", "--cluster-only")
    assert result.returncode == 0, result.stderr
    assert running(cluster) == before


def test_status_shows_daemons_node_and_deployments(echo: Cluster) -> None:
    rows = [line.split() for line in echo.command("status").stdout.splitlines() if line]
    states = {row[0]: row[1] for row in rows}
    assert states["kubelet"] == states["etcd"] == states["s3"] == "ready"
    assert ["kube-system", "deployment.apps/coredns", "1/1"] in [row[:3] for row in rows]
    assert next(row for row in rows if row[:2] == [NAMESPACE, "service/echo"])[5] == "80:30999/TCP"


def test_an_unknown_part_is_answered_with_the_known_ones(echo: Cluster) -> None:
    result = echo.command("logs", "kublet")
    assert result.returncode == 1
    assert "there is no part 'kublet'" in result.stderr
    assert {"kubelet", "etcd", "coredns", "keda-operator"} <= set(re.findall(r"[\w-]+", result.stderr))


def kill_the_cluster() -> None:
    """SIGKILL to the supervisor, every daemon, every shim and every container; the rest of the machine is not told."""
    pids.kill_own(lambda _: None)


def test_a_killed_cluster_comes_up_again_with_its_objects(echo: Cluster) -> None:
    kill_the_cluster()
    assert not answers(NODE_PORT_URL)
    result = echo.command("up", "--cluster-only")
    assert result.returncode == 0, result.stderr
    eventually(lambda: answers(NODE_PORT_URL), "the node port answers")
    eventually(lambda: f"pod/{answer(NODE_PORT_URL)}" in pods(echo), "a pod of the Deployment answers")


@contextmanager
def up_killed_at(step: str) -> Iterator[None]:
    """`up`, killed as soon as it says that it is at this step; what it had started lives on."""
    with subprocess.Popen(command_line("up", "--cluster-only"), cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        for line in up.stderr:
            if step in line:
                os.kill(up.pid, signal.SIGKILL)
                break
    assert up.returncode == -signal.SIGKILL
    yield


@pytest.mark.parametrize("step", ["clear what a killed", "start the control plane", "start CoreDNS"])
def test_an_up_killed_at_any_step_is_finished_by_the_next(echo: Cluster, step: str) -> None:
    kill_the_cluster()
    with up_killed_at(step):
        result = echo.command("up", "--cluster-only")
    assert result.returncode == 0, result.stderr
    eventually(lambda: answers(NODE_PORT_URL), "the node port answers")
