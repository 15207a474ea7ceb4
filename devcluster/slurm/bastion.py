"""The bastion: an sshd in the cluster, at a port of this machine, through which jobs reach Services by `ssh -J`.

It also makes the namespace of the virtual kubelet, with the certificate by which that is known to interLink's API.
"""

import json
from typing import Any

from devcluster.addresses import BASTION_PORT
from devcluster.credentials import CLUSTER_AUTHORITY, EDGE_CLIENT
from devcluster.images.catalog import SSHD
from devcluster.kubectl import Kubectl
from devcluster.slurm import keys

NAMESPACE = "interlink"
BASTION = "bastion"
PORT = 2222
USER = "sonic"
KEYS_FOLDER = "/keys"

CLIENT_SECRET = "interlink-client"  # noqa: S105  a name
"""Secret with the virtual kubelet's certificate at interLink's API."""

_SETTINGS = (
    f"Port={PORT}",
    f"HostKey={KEYS_FOLDER}/host",
    f"AuthorizedKeysFile={KEYS_FOLDER}/authorized_keys",
    "StrictModes=no",
    "UsePAM=no",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "PermitTTY=no",
    "AllowTcpForwarding=local",
    "AllowAgentForwarding=no",
    "X11Forwarding=no",
    "PermitTunnel=no",
    "PidFile=none",
)


def apply_bastion(kubectl: Kubectl) -> None:
    """Start the bastion, or bring it up to date."""
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests()}))


def manifests() -> list[dict[str, Any]]:
    """Return the namespace, the bastion with its keys, and the certificate of the virtual kubelet."""
    labels = {"app.kubernetes.io/name": BASTION}
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    host_key, authorized = keys.private_key(keys.BASTION_HOST), f"{keys.public_key(keys.JOBS)}\n"
    certificate = {
        "tls.crt": EDGE_CLIENT.certificate,
        "tls.key": EDGE_CLIENT.key,
        "ca.crt": CLUSTER_AUTHORITY.certificate,
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
        _secret(BASTION, {"host": host_key, "authorized_keys": authorized}),
        _secret(CLIENT_SECRET, {name: path.read_text() for name, path in certificate.items()}),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": BASTION, "namespace": NAMESPACE},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": BASTION, "namespace": NAMESPACE},
            "spec": {
                "type": "NodePort",
                "selector": labels,
                "ports": [{"port": PORT, "targetPort": PORT, "nodePort": BASTION_PORT}],
            },
        },
    ]


def _secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def _pod_spec() -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        # sshd reads its key as the user of its pod: the file is the group's.
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": BASTION,
                "image": SSHD.reference,
                "command": ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *(f"-o{each}" for each in _SETTINGS)],
                "ports": [{"containerPort": PORT}],
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2},
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "keys", "mountPath": KEYS_FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "keys", "secret": {"secretName": BASTION, "defaultMode": 0o400}}],
    }
