"""The template of tunnels, from which interLink makes a Deployment, a Service and an Ingress for each job.

It is a text of Go's text/template over JSON documents. Go puts values into strings; those of annotations are read by
names in backquotes, which JSON does not escape. The virtual kubelet parts the documents at three dashes, and adds the
labels and annotations of the virtual pod to the tunnel pod, whose own win.
"""

import json
from collections.abc import Mapping
from typing import Any

from components.labels import POOL_LABEL, TUNNEL_LABEL
from components.pod import CONTAINER_SECURITY, guaranteed, pod_security, pull_secrets, scrape_annotations
from components.server_pool import METRICS_PORT_NAME
from components.triton.server import GRPC_PORT, HTTP_PORT, METRICS_PORT
from components.tunnel import DRAIN_ANNOTATION, SECRET_ANNOTATION, SSH_PORT, WSTUNNEL_PORT, pod_resources
from components.virtual_node import sshd
from components.virtual_node.args import VirtualNodeImages
from stacks.schema.drain import TUNNEL_PROBE_FAILURES, TUNNEL_PROBE_PERIOD_SECONDS
from stacks.schema.virtual_nodes import SshTunnel, VirtualNode, WstunnelTunnel

_NAME, _NAMESPACE = "{{.Name}}", "{{.Namespace}}"
_COMPONENT = {"app.kubernetes.io/component": _NAME}
"""Label by which the virtual kubelet waits for the pod."""
_RESTRICTIONS_FOLDER = "/run/tunnel"

WSTUNNEL_SCRIPT = f"""\
umask 077
cat >{_RESTRICTIONS_FOLDER}/restrictions.yaml <<END
restrictions:
  - name: the ports of one server, from its job
    match:
      - !PathPrefix "^$TUNNEL_PREFIX\\$"
    allow:
      - !ReverseTunnel
        protocol: [Tcp]
        port: ["{HTTP_PORT}", "{GRPC_PORT}", "{METRICS_PORT}"]
        cidr: [0.0.0.0/0]
END
unset TUNNEL_PREFIX
exec /home/app/wstunnel server --restrict-config {_RESTRICTIONS_FOLDER}/restrictions.yaml 'ws://[::]:{WSTUNNEL_PORT}'
"""
"""Starts wstunnel. The path prefix is a secret of the tunnel, and comes by the environment."""


def tunnel_template(node: VirtualNode, images: VirtualNodeImages, *, pull_secret: str | None = None) -> str:
    """Return the template of a node.

    Args:
        node: the virtual node.
        images: images, by the site's mirrors.
        pull_secret: image pull secret of the stacks' namespaces.
    """
    match node.tunnel:
        case SshTunnel():
            documents = [_deployment(_ssh_pod(images.sshd, node.tunnel), pull_secret), _service(SSH_PORT)]
        case WstunnelTunnel():
            documents = [
                _deployment(_wstunnel_pod(images.wstunnel, node.tunnel), pull_secret),
                _service(WSTUNNEL_PORT),
                _ingress(node.tunnel),
            ]
    text = "\n---\n".join(json.dumps(document, indent=2) for document in documents)
    grace = '"terminationGracePeriodSeconds": '
    return text.replace(f'{grace}"{_annotation(DRAIN_ANNOTATION)}"', f"{grace}{_annotation(DRAIN_ANNOTATION)}")


def _annotation(key: str) -> str:
    return f"{{{{index .PodAnnotations `{key}`}}}}"


def _label(key: str) -> str:
    return f"{{{{index .PodLabels `{key}`}}}}"


def _metadata() -> dict[str, Any]:
    copied = ("app.kubernetes.io/name", "app.kubernetes.io/instance", POOL_LABEL)
    return {
        "name": _NAME,
        "namespace": _NAMESPACE,
        "labels": {**{key: _label(key) for key in copied}, **_COMPONENT, "app.kubernetes.io/managed-by": "interlink"},
    }


def _deployment(pod: Mapping[str, Any], pull_secret: str | None) -> dict[str, Any]:
    """Return the Deployment of one tunnel pod.

    The virtual kubelet deletes it before the job. So the pod stays as long as the server drains: an endpoint that
    terminates takes no new connections and keeps those that it has.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(),
        "spec": {
            "replicas": 1,
            # Only one pod can have the job's sessions.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": _COMPONENT},
            "template": {
                "metadata": {
                    "labels": {**_COMPONENT, **TUNNEL_LABEL},
                    "annotations": scrape_annotations(METRICS_PORT, "/metrics"),
                },
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    **pull_secrets(pull_secret),
                    "terminationGracePeriodSeconds": _annotation(DRAIN_ANNOTATION),
                    "securityContext": {**pod_security(sshd.USER_ID), "fsGroup": sshd.USER_ID},
                    **pod,
                },
            },
        },
    }


def _container(image: str, script: str, *, cpu_cores: float) -> dict[str, Any]:
    return {
        "name": "tunnel",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": METRICS_PORT}],
        # Through the tunnel to the server: a tunnel pod is ready when its job's server is.
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": HTTP_PORT},
            "periodSeconds": TUNNEL_PROBE_PERIOD_SECONDS,
            "timeoutSeconds": TUNNEL_PROBE_PERIOD_SECONDS,
            "failureThreshold": TUNNEL_PROBE_FAILURES,
        },
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", _annotation(DRAIN_ANNOTATION)]}}},
        "resources": guaranteed(pod_resources(cpu_cores)),
        "securityContext": CONTAINER_SECURITY,
    }


def _ssh_pod(image: str, tunnel: SshTunnel) -> dict[str, Any]:
    # Alpine calls the sshd that the image has `sshd.pam`. A sshd must be started by its full path.
    start = f'exec "$(command -v sshd.pam || command -v sshd)" -D -e -f {sshd.FOLDER}/{sshd.CONFIG_FILE}'
    secret = {"secretName": _annotation(SECRET_ANNOTATION), "defaultMode": 0o440}
    return {
        "containers": [
            {
                **_container(image, f"PATH=/usr/sbin:/usr/bin:/bin; {start}", cpu_cores=tunnel.cpu_cores),
                "volumeMounts": [
                    {"name": "files", "mountPath": sshd.FOLDER, "readOnly": True},
                    {"name": "files", "mountPath": "/etc/passwd", "subPath": sshd.PASSWD_FILE, "readOnly": True},
                ],
            }
        ],
        "volumes": [{"name": "files", "secret": secret}],
    }


def _wstunnel_pod(image: str, tunnel: WstunnelTunnel) -> dict[str, Any]:
    return {
        "containers": [
            {
                **_container(image, WSTUNNEL_SCRIPT, cpu_cores=tunnel.cpu_cores),
                # It logs the paths of requests that it refuses, hence no warnings.
                "env": [
                    {"name": "TUNNEL_PREFIX", "value": "{{.RandomPassword}}"},
                    {"name": "RUST_LOG", "value": "ERROR"},
                ],
                "volumeMounts": [{"name": "restrictions", "mountPath": _RESTRICTIONS_FOLDER}],
            }
        ],
        "volumes": [{"name": "restrictions", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
    }


def _service(port: int) -> dict[str, Any]:
    """Return the Service that sessions come by. They come before the pod is ready, which needs them."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(),
        "spec": {
            "selector": _COMPONENT,
            "publishNotReadyAddresses": True,
            "ports": [{"name": "tunnel", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _ingress(tunnel: WstunnelTunnel) -> dict[str, Any]:
    host = f"{_NAME}-{_NAMESPACE}.{{{{.WildcardDNS}}}}"
    backend = {"service": {"name": _NAME, "port": {"number": WSTUNNEL_PORT}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**_metadata(), "annotations": dict(tunnel.ingress_annotations)},
        "spec": {
            **({"ingressClassName": tunnel.class_name} if tunnel.class_name else {}),
            "tls": [{"hosts": [host], "secretName": tunnel.tls_secret}],
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    }
