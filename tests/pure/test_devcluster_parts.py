"""Add-ons, status, recovery from a killed Pulumi, and the output of ctr and Pulumi."""

import io
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import yaml

from devcluster import lifecycle, pulumi_recovery
from devcluster.addons import coredns_manifests, keda_kustomization
from devcluster.deploy import errors_in
from devcluster.environment import export_lines
from devcluster.image_store import parse_archives
from devcluster.progress import Progress
from devcluster.pulumi_recovery import half_created
from devcluster.status import in_words, is_available, row
from devcluster.supervisor import ProcessState
from devcluster.wait import wait_until


@pytest.mark.parametrize(
    ("status", "verdict"),
    [({"availableReplicas": 2}, True), ({"availableReplicas": 1}, False), ({}, False)],
)
def test_a_deployment_is_available_with_all_its_replicas(status: dict[str, int], verdict: bool) -> None:
    assert is_available({"spec": {"replicas": 2}, "status": status}) is verdict


@pytest.mark.parametrize("upstream", [["192.0.2.7", "192.0.2.8"], []])
def test_coredns_asks_upstream_only_if_there_is_one(upstream: list[str]) -> None:
    manifests = yaml.safe_load_all(coredns_manifests(upstream))
    (corefile,) = [manifest["data"]["Corefile"] for manifest in manifests if manifest["kind"] == "ConfigMap"]
    lines = [line.strip() for line in corefile.splitlines()]
    assert ("forward . 192.0.2.7 192.0.2.8" in lines) is bool(upstream)
    assert any(line.startswith("forward") for line in lines) is bool(upstream)
    assert corefile.count("{") == corefile.count("}")


def test_keda_is_installed_without_webhooks() -> None:
    kustomization = keda_kustomization(Path("/cache/keda/config"), Path("/run/x/keda"))
    assert "../../../cache/keda/config/crd" in kustomization["resources"]
    assert not any("webhooks" in resource for resource in kustomization["resources"])
    assert {"name": "ghcr.io/kedacore/keda", "newName": "localhost/sonic-dev/keda-operator", "newTag": "2.21.0"} in (
        kustomization["images"]
    )


def test_images_are_known_by_the_archive_they_came_from() -> None:
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "localhost/sonic-dev/pause:1 application/x sha256:1 1.0 MiB linux/amd64 "
        "io.cri-containerd.image=managed,sonic-dev/archive=pause.tar:10:20\n"
        "localhost/other:1 application/x sha256:2 1.0 MiB linux/amd64 io.cri-containerd.image=managed\n"
        "localhost/bare:1 application/x sha256:3 1.0 MiB linux/amd64 -\n"
    )
    assert parse_archives(listing) == {"localhost/sonic-dev/pause:1": "pause.tar:10:20"}


def test_variables_survive_the_shell() -> None:
    assert export_lines({"A": "with space and 'quote'", "B": ""}).splitlines() == [
        "export A='with space and '\"'\"'quote'\"'\"''",
        "export B=''",
    ]


def test_objects_being_created_are_named_as_kubectl_wants_them() -> None:
    def operation(kind: str, type_token: str, inputs: Mapping[str, object]) -> dict[str, object]:
        return {"type": kind, "resource": {"type": type_token, "inputs": inputs}}

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "b", "namespace": "n"}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    pending = [
        operation("creating", "kubernetes:core/v1:ConfigMap", config_map),
        operation("creating", "kubernetes:keda.sh/v1alpha1:ScaledObject", scaled),
        operation("creating", "kubernetes:core/v1:Namespace", namespace),
        operation("updating", "kubernetes:core/v1:ConfigMap", config_map),
        operation("creating", "pulumi:providers:kubernetes", {"kubeconfig": "k"}),
    ]
    assert list(half_created(pending)) == [
        ("ConfigMap.v1.", "n", "a"),
        ("ScaledObject.v1alpha1.keda.sh", "n", "b"),
        ("Namespace.v1.", "", "n"),
    ]


def test_the_errors_in_the_output_of_pulumi_are_shown() -> None:
    log = (
        "Updating (dev):\n ~ thing error: not this one\n\nDiagnostics:\n"
        "  pulumi:pulumi:Stack (sonic-dev):\n    warning: w\n    error: update failed\n\n"
        "  kubernetes:apps/v1:Deployment (d):\n    error: timed out waiting\n\nOutputs:\n    x: 1\n"
    )
    assert errors_in(log) == "error: update failed\nerror: timed out waiting"
    assert errors_in("error before any diagnostics") == ""


def test_the_table_is_aligned_without_trailing_blanks() -> None:
    assert row("etcd", "ready", "1 min 02 s", "https://127.0.0.1:12379") == (
        "etcd                     ready        1 min 02 s     https://127.0.0.1:12379"
    )
    assert row("kube-controller-manager", "stopped", "", "") == "kube-controller-manager  stopped"


@pytest.mark.parametrize(
    ("state", "problem", "ready", "words"),
    [
        ("RUNNING", "", True, "ready"),
        ("RUNNING", "", False, "not ready"),
        ("BACKOFF", "", False, "backoff"),
        ("FATAL", "no such file", False, "no such file"),
    ],
)
def test_a_process_is_shown_by_its_state_and_its_readiness(state: str, problem: str, ready: bool, words: str) -> None:
    assert in_words(ProcessState(state=state, since_seconds=1, pid=1, problem=problem), ready=ready) == words


def test_a_second_run_waits_until_the_first_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "LOCK", f"\0sonic-devcluster-test-{os.getpid()}")
    order: list[str] = []

    def second() -> None:
        with lifecycle.alone(Progress(1, io.StringIO())):
            order.append("second")

    thread = threading.Thread(target=second)
    with lifecycle.alone(Progress(1, io.StringIO())):
        thread.start()
        thread.join(timeout=0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("name", ["pulumi", "python3"])
def test_only_a_living_pulumi_keeps_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The number of a dead Pulumi may be another program's by now."""
    monkeypatch.setattr(pulumi_recovery, "LOCKS", tmp_path / "locks")
    (tmp_path / name).symlink_to(str(shutil.which("sleep")))
    awaited: list[str] = []
    with subprocess.Popen([tmp_path / name, "60"]) as holder:
        lock = tmp_path / "locks" / "organization" / "sonic" / "dev" / "1.json"
        lock.parent.mkdir(parents=True)
        lock.write_text(json.dumps({"pid": holder.pid}))
        wait_until(lambda: psutil.Process(holder.pid).name() == name, f"{name} to start", timeout_seconds=10)

        def waiting(what: str) -> None:
            awaited.append(what)
            holder.kill()

        pulumi_recovery.clear_locks("dev", waiting)
        holder.kill()
    assert bool(awaited) is (name == "pulumi")
    assert not lock.exists()
