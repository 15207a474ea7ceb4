"""The server of bare Kubernetes: a pod with the image, the models and the command of the jobs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.triton.slurm_job import ADDRESS_VARIABLE
from devcluster.images.catalog import TRITON
from devcluster.kubectl import Kubectl
from devcluster.progress import Progress

NAMESPACE = "sonic-offload"
POD = "triton"

_READY_SECONDS = 120


def manifests(template: Mapping[str, Any], models: Path) -> list[dict[str, Any]]:
    """Return the pod and its namespace.

    It has no limit of CPU time, because Slurm sets none for jobs here (`TaskPlugin=task/none`).

    Args:
        template: of the virtual pods.
        models: folder of the models on the node.
    """
    (job,) = template["spec"]["containers"]
    container = {
        "name": "triton",
        "image": TRITON.reference,
        "imagePullPolicy": "IfNotPresent",
        "command": job["command"],
        "env": [*job.get("env", []), {"name": ADDRESS_VARIABLE, "value": "0.0.0.0"}],  # noqa: S104  a pod's own
        "readinessProbe": {**job["readinessProbe"], "periodSeconds": 1},
        "resources": {
            "requests": {"cpu": "10m", "memory": "256Mi"},
            "limits": {"memory": job["resources"]["limits"]["memory"]},
        },
        "securityContext": job["securityContext"],
        "volumeMounts": [
            {"name": "models", "mountPath": "/models", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
            {"name": "memory", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": POD, "namespace": NAMESPACE},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 5,
                "securityContext": template["spec"]["securityContext"],
                "containers": [container],
                "volumes": [
                    {"name": "models", "hostPath": {"path": str(models), "type": "Directory"}},
                    {"name": "scratch", "emptyDir": {}},
                    {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
                ],
            },
        },
    ]


@contextmanager
def bare_server(kubectl: Kubectl, progress: Progress, template: Mapping[str, Any], models: Path) -> Iterator[str]:
    """Start the pod, wait until it is ready, yield its IP address, and delete it.

    Raises:
        DevClusterError: it did not become ready.
    """
    place = f"--namespace={NAMESPACE}"
    try:
        items = manifests(template, models)
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        kubectl.wait(
            "wait", "--for=condition=Ready", f"pod/{POD}", place,
            timeout_seconds=_READY_SECONDS, waiting=progress.waiting,
        )  # fmt: skip
        yield str(kubectl.get("pod", POD, place)["status"]["podIP"])
    finally:
        kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found")
