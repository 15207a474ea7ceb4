"""Installs what runs in the cluster before any stack: access rules, schedulable GPUs, CoreDNS and KEDA."""

import datetime as dt
import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from devcluster.addresses import NODE_NAME
from devcluster.files import write
from devcluster.images.catalog import KEDA_METRICS_APISERVER, KEDA_OPERATOR
from devcluster.kubectl import Kubectl
from devcluster.node import RESOLV_CONF
from devcluster.paths import RUN
from devcluster.progress import Progress
from devcluster.wait import wait_while

MANIFESTS = Path(__file__).parent / "manifests"
READY_TIMEOUT_SECONDS = 240
SHOWN_CHARACTERS = 100

GPU_RESOURCE = "nvidia.com/gpu"
GPU_COUNT = 8

KEDA_PARTS = ("crd", "general", "rbac", "service_account", "manager", "metrics-server")
"""Folders of KEDA's own `config/`; without `webhooks`, whose program we do not build."""

KEDA_IMAGES = {
    "ghcr.io/kedacore/keda": KEDA_OPERATOR,
    "ghcr.io/kedacore/keda-metrics-apiserver": KEDA_METRICS_APISERVER,
}


def apply_access_rules(kubectl: Kubectl) -> None:
    """Let the API server reach the kubelet: `kubectl logs`, `exec` and `port-forward`."""
    kubectl.apply((MANIFESTS / "access.yaml").read_text())


def forget_pods(kubectl: Kubectl) -> None:
    """Delete every pod at once: their containers ended with the cluster that was killed, and their statuses lie."""
    kubectl.run("delete", "pods", "--all", "--all-namespaces", "--force", "--grace-period=0", "--wait=false")


def wait_for_node(kubectl: Kubectl, kubelet_started: dt.datetime, progress: Progress) -> None:
    """Return when the node is Ready by a report of the kubelet that runs now; `kubectl wait` takes an earlier one's.

    Raises:
        DevClusterError: it is not after four minutes; the text holds the node's own message.
    """

    def unready() -> str:
        conditions: list[dict[str, Any]] = kubectl.get("node", NODE_NAME).get("status", {}).get("conditions", [])
        ready = next((one for one in conditions if one["type"] == "Ready"), {})
        reported = dt.datetime.fromisoformat(ready.get("lastHeartbeatTime", "1970-01-01T00:00:00Z"))
        if reported < kubelet_started.replace(microsecond=0):
            return f"node {NODE_NAME}: no report of the kubelet yet"
        message = textwrap.shorten(ready.get("message", ""), SHOWN_CHARACTERS, placeholder="…")
        return "" if ready.get("status") == "True" else f"node {NODE_NAME} to be Ready: {message}"

    wait_while(
        unready,
        timeout_seconds=READY_TIMEOUT_SECONDS,
        interval_seconds=0.5,
        waiting=progress.waiting,
        hint="`python -m devcluster logs kubelet` may tell more",
    )


def advertise_gpus(kubectl: Kubectl) -> None:
    """Give the node an extended resource, so that pods which ask for GPUs are scheduled as on a real one.

    A restarted kubelet may set it back to zero, so each `up` sets it again.
    """
    patch = {"status": {"capacity": {GPU_RESOURCE: str(GPU_COUNT)}, "allocatable": {GPU_RESOURCE: str(GPU_COUNT)}}}
    kubectl.run("patch", "node", NODE_NAME, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")


def apply_coredns(kubectl: Kubectl) -> None:
    """Start CoreDNS, or bring it up to date."""
    kubectl.apply(coredns_manifests([line.split()[1] for line in RESOLV_CONF.read_text().splitlines()]))


def coredns_manifests(upstream: Sequence[str]) -> str:
    """Return CoreDNS's manifests.

    Args:
        upstream: name servers for all other domains than the cluster's; without any, such names do not exist.
    """
    template = (MANIFESTS / "coredns.yaml").read_text()
    forward = f"forward . {' '.join(upstream)}" if upstream else ""
    return template.replace("# FORWARD", forward)


def apply_keda_resources(kubectl: Kubectl, keda_config: Path) -> None:
    """Define KEDA's custom resources, so that a stack can be deployed before KEDA runs.

    Args:
        kubectl: of the cluster.
        keda_config: the folder `config` of KEDA's module.
    """
    kubectl.apply(kubectl.run("kustomize", str(keda_config / "crd")))


def apply_keda(kubectl: Kubectl, keda_config: Path) -> None:
    """Install KEDA from its own manifests.

    Args:
        kubectl: of the cluster.
        keda_config: the folder `config` of KEDA's module.
    """
    overlay = RUN / "keda"
    write(overlay / "kustomization.yaml", yaml.safe_dump(keda_kustomization(keda_config, overlay)))
    kubectl.apply(kubectl.run("kustomize", str(overlay)))


def keda_kustomization(keda_config: Path, overlay: Path) -> dict[str, Any]:
    """Return a kustomization of KEDA's manifests: our images, readiness probes from the first second, less CPU.

    Args:
        keda_config: the folder `config` of KEDA's module.
        overlay: folder of the kustomization; kustomize wants paths relative to it.
    """
    container = "/spec/template/spec/containers/0"
    changes = [
        {"op": "replace", "path": f"{container}/imagePullPolicy", "value": "Never"},
        {"op": "replace", "path": f"{container}/readinessProbe/initialDelaySeconds", "value": 1},
        {"op": "add", "path": f"{container}/readinessProbe/periodSeconds", "value": 2},
        # On two cores each request counts: a stack cannot have the CPU that KEDA reserves.
        {"op": "replace", "path": f"{container}/resources/requests/cpu", "value": "10m"},
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(keda_config / part, overlay) for part in KEDA_PARTS],
        "images": [
            {"name": theirs, "newName": ours.reference.rpartition(":")[0], "newTag": ours.tag}
            for theirs, ours in KEDA_IMAGES.items()
        ],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(changes)}],
    }


def wait_for_deployment(kubectl: Kubectl, namespace: str, name: str, progress: Progress) -> None:
    """Return when the Deployment's current revision is rolled out and available.

    Raises:
        DevClusterError: it is not after four minutes.
    """
    arguments = ("rollout", "status", f"deployment/{name}", f"--namespace={namespace}")
    kubectl.wait(*arguments, timeout_seconds=READY_TIMEOUT_SECONDS, waiting=progress.waiting)


def wait_for_metrics_api(kubectl: Kubectl, progress: Progress) -> None:
    """Return when the API server reaches KEDA's external metrics API.

    Raises:
        DevClusterError: it does not after four minutes.
    """
    arguments = ("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io")
    kubectl.wait(*arguments, timeout_seconds=READY_TIMEOUT_SECONDS, waiting=progress.waiting)
