"""What runs in the cluster before any stack: access rules, GPUs to be scheduled, CoreDNS and KEDA."""

import datetime as dt
import json
import os
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from devcluster.addresses import NODE_NAME
from devcluster.errors import DevClusterError
from devcluster.files import write
from devcluster.images.catalog import KEDA_METRICS_APISERVER, KEDA_OPERATOR
from devcluster.kubectl import Kubectl
from devcluster.node import RESOLV_CONF
from devcluster.paths import RUN
from devcluster.progress import Progress

MANIFESTS = Path(__file__).parent / "manifests"
AVAILABLE_PATIENCE_SECONDS = 240.0
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
    """Return when the kubelet that runs now has reported the node Ready; the word of an earlier one does not count.

    Raises:
        DevClusterError: it has not in four minutes; the text says what the node says of itself.
    """

    def unready() -> str | None:
        node = kubectl.get("node", NODE_NAME)
        heard_of = _condition(node, "Ready").get("lastHeartbeatTime", "1970-01-01T00:00:00Z")
        if dt.datetime.fromisoformat(heard_of) < kubelet_started.replace(microsecond=0):
            return "the kubelet has not reported yet"
        return None if condition(node, "Ready") == "True" else message_of(node, "Ready")

    _wait(f"node {NODE_NAME}", unready, "kubelet", progress)


def advertise_gpus(kubectl: Kubectl) -> None:
    """Give the node an extended resource, so that what asks for GPUs is scheduled as on a real one.

    A restarted kubelet may take it back to zero, so it is said again at every `up`.
    """
    patch = {"status": {"capacity": {GPU_RESOURCE: str(GPU_COUNT)}, "allocatable": {GPU_RESOURCE: str(GPU_COUNT)}}}
    kubectl.run("patch", "node", NODE_NAME, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")


def apply_coredns(kubectl: Kubectl) -> None:
    """Start CoreDNS, or bring it up to date."""
    servers = [line.split()[1] for line in RESOLV_CONF.read_text().splitlines()]
    kubectl.apply((MANIFESTS / "coredns.yaml").read_text() + "---\n" + yaml.safe_dump(coredns_configuration(servers)))


def coredns_configuration(upstream: Sequence[str]) -> dict[str, Any]:
    """CoreDNS's ConfigMap.

    The TTL is short: a headless Service's answer is the list of its pods, and clients must see that change.

    Args:
        upstream: name servers for all that is not of the cluster; if there are none, such names do not exist.
    """
    forward = f"    forward . {' '.join(upstream)}\n" if upstream else ""
    corefile = (
        ".:53 {\n"
        "    errors\n"
        "    health {\n        lameduck 5s\n    }\n"
        "    ready\n"
        "    kubernetes cluster.local in-addr.arpa {\n        ttl 5\n    }\n"
        "    prometheus :9153\n"
        f"{forward}"
        "    cache 5\n"
        "    reload\n"
        "}\n"
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": corefile},
    }


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
    """A kustomization over KEDA's manifests: our images, readiness asked for from the first second, less CPU reserved.

    Args:
        keda_config: the folder `config` of KEDA's module.
        overlay: where the kustomization will stand; kustomize wants relative paths.
    """
    container = "/spec/template/spec/containers/0"
    changes = [
        {"op": "replace", "path": f"{container}/imagePullPolicy", "value": "Never"},
        {"op": "replace", "path": f"{container}/readinessProbe/initialDelaySeconds", "value": 1},
        {"op": "add", "path": f"{container}/readinessProbe/periodSeconds", "value": 2},
        # On two cores each request counts: what KEDA reserves, a stack cannot.
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
        DevClusterError: it is not in four minutes.
    """

    def unready() -> str | None:
        deployment = kubectl.get("deployment", name, f"--namespace={namespace}")
        if not is_rolled_out(deployment):
            return message_of(deployment, "Available")
        # The counts in its status are the controller's, and lag behind the pods.
        labels = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
        pods = kubectl.get("pods", f"--namespace={namespace}", f"--selector={labels}")["items"]
        ready = sum(condition(pod, "Ready") == "True" for pod in pods)
        wanted = deployment["spec"]["replicas"]
        return None if ready >= wanted else f"{ready} of {wanted} pods are ready"

    _wait(f"Deployment {namespace}/{name}", unready, name, progress)


def wait_for_metrics_api(kubectl: Kubectl, progress: Progress) -> None:
    """Return when the API server reaches KEDA's external metrics API.

    Raises:
        DevClusterError: it does not in four minutes.
    """
    name = "v1beta1.external.metrics.k8s.io"

    def unready() -> str | None:
        service = kubectl.get("apiservice", name)
        return None if condition(service, "Available") == "True" else message_of(service, "Available")

    _wait(f"APIService {name}", unready, "keda-metrics-apiserver", progress)


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Whether all replicas of a Deployment are of its current template and available."""
    status, wanted = deployment.get("status", {}), deployment.get("spec", {}).get("replicas")
    seen = status.get("observedGeneration") == deployment.get("metadata", {}).get("generation")
    counts = [status.get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")]
    return bool(deployment) and seen and counts == [wanted] * 3


def condition(resource: dict[str, Any], kind: str) -> str:
    """The status of a condition: True, False or Unknown; Unknown also if there is none yet."""
    return str(_condition(resource, kind).get("status", "Unknown"))


def message_of(resource: dict[str, Any], kind: str) -> str:
    """What a condition says in words."""
    return str(_condition(resource, kind).get("message") or "nothing is known yet")


def _wait(what: str, unready: Callable[[], str | None], log_part: str, progress: Progress) -> None:
    deadline = time.monotonic() + AVAILABLE_PATIENCE_SECONDS
    while reason := unready():
        if time.monotonic() > deadline:
            msg = (
                f"{what} is not ready after {AVAILABLE_PATIENCE_SECONDS:.0f} s: {reason}; "
                f"`python -m devcluster logs {log_part}` may tell more"
            )
            raise DevClusterError(msg)
        progress.waiting(f"{what}: {textwrap.shorten(reason, SHOWN_CHARACTERS, placeholder='…')}")
        time.sleep(0.5)


def _condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = resource.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})
