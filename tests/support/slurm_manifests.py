"""Manifests of a virtual node, and of a pod on it, as plain as they can be: those of the program are not used."""

from typing import Any

import yaml

from devcluster.addresses import BASTION_PORT, EDGE_PORT, NODE_ADDRESS
from devcluster.images.catalog import SSHD, TRITON, VIRTUAL_NODE
from devcluster.slurm import keys
from devcluster.slurm.bastion import CLIENT_SECRET, NAMESPACE
from devcluster.slurm.configuration import PARTITION
from devcluster.slurm.folders import IMAGES, JOBS_UID
from devcluster.slurm.models import MODELS

NODE = "interlink-test"
POD_NAMESPACE = "vtest"
POD = "triton"
ADDRESS = "127.64.0.1"
"""Address of the test's only job."""

TEMPLATE = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{.Name}}}}", namespace: "{{{{.Namespace}}}}"}}
spec:
  selector: {{matchLabels: {{app.kubernetes.io/component: "{{{{.Name}}}}"}}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/component: "{{{{.Name}}}}", tunnel: "true"}}
      annotations: {{interlink.eu/wstunnel-path-prefix: "{{{{.RandomPassword}}}}"}}
    spec:
      securityContext: {{runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000}}
      containers:
      - name: sshd
        image: {SSHD.reference}
        command: [/usr/sbin/sshd, -D, -e, -f, /dev/null, -oPort=2222, -oHostKey=/keys/host, -oUsePAM=no,
          -oAuthorizedKeysFile=/keys/authorized_keys, -oStrictModes=no, -oGatewayPorts=clientspecified, -oPidFile=none]
        ports:
        - containerPort: 2222
        {{{{- range .ExposedPorts}}}}
        - {{containerPort: {{{{.Port}}}}, name: "{{{{.Name}}}}"}}
        {{{{- end}}}}
        readinessProbe: {{httpGet: {{path: /v2/health/ready, port: 8000}}, periodSeconds: 1, failureThreshold: 1}}
        volumeMounts: [{{name: keys, mountPath: /keys}}]
      volumes: [{{name: keys, secret: {{secretName: tunnel, defaultMode: 0o400}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: "{{{{.Name}}}}", namespace: "{{{{.Namespace}}}}"}}
spec:
  selector: {{app.kubernetes.io/component: "{{{{.Name}}}}"}}
  publishNotReadyAddresses: true
  ports: [{{name: ssh, port: 2222}}]
"""

SCRIPT = f"""\
export APPTAINERENV_ADDRESS={ADDRESS}
S=$(mktemp -d)
echo 'bastion {keys.public_key(keys.BASTION_HOST)}
tunnel {keys.public_key(keys.TUNNEL_HOST)}' > $S/known_hosts
cat > $S/config <<END
Host bastion
  HostName localhost
  HostKeyAlias bastion
  Port {BASTION_PORT}
Host tunnel
  HostName $TUNNEL_HOST.{POD_NAMESPACE}.svc.cluster.local
  HostKeyAlias tunnel
  Port 2222
  ProxyJump bastion
Host *
  User sonic
  IdentityFile {keys.JOBS_KEY_FILE}
  UserKnownHostsFile $S/known_hosts
  ServerAliveInterval 2
  ExitOnForwardFailure yes
END
(while :; do ssh -N -F $S/config -R '*:8000:{ADDRESS}:8000' tunnel; sleep 1; done) &
echo 'connect-to = "localhost:8000:{ADDRESS}:8000"' > $S/.curlrc
export CURL_HOME=$S
"""


def virtual_node() -> list[dict[str, Any]]:
    """Return the Deployment of the virtual node, its configuration and its rights."""
    configuration = {
        "InterlinkURL": f"https://{NODE_ADDRESS}",
        "InterlinkPort": str(EDGE_PORT),
        "TLS": {"Enabled": True, "CertFile": "/tls/tls.crt", "KeyFile": "/tls/tls.key", "CACertFile": "/tls/ca.crt"},
        "DisableCSR": True,
        "Resources": {"CPU": "100", "Memory": "400Gi", "Pods": "20"},
        "Network": {
            "EnableTunnel": True,
            "WstunnelTemplatePath": "/configuration/template.yaml",
            "WstunnelCommand": "export PREFIX='%[1]s' FORWARDS='%[2]s' TUNNEL_HOST='%[3]s'",
        },
    }
    files = {"VirtualKubeletConfig.yaml": yaml.safe_dump(configuration), "template.yaml": TEMPLATE}
    metadata = {"name": NODE, "namespace": NAMESPACE}
    labels = {"app": NODE}
    container = {
        "name": "virtual-node",
        "image": VIRTUAL_NODE.reference,
        "env": [
            {"name": "NODENAME", "value": NODE},
            {"name": "CONFIGPATH", "value": "/configuration/VirtualKubeletConfig.yaml"},
            {"name": "KUBELET_PORT", "value": "10250"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in ("configuration", "tls")],
    }
    spec = {
        "serviceAccountName": NODE,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "configuration", "configMap": {"name": NODE}},
            {"name": "tls", "secret": {"secretName": CLIENT_SECRET, "defaultMode": 0o440}},
        ],
    }
    subject = {"kind": "ServiceAccount", "name": NODE, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NODE},
            "subjects": [subject],
            "roleRef": role,
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
    ]


def triton() -> list[dict[str, Any]]:
    """Return a Deployment of one virtual pod that runs Triton, its namespace, and the keys of its tunnel."""
    probe = {"httpGet": {"path": "/v2/health/ready", "port": 8000}, "periodSeconds": 1, "failureThreshold": 600}
    server = (
        "exec tritonserver --model-repository=/models --backend-directory=/opt/tritonserver/backends "
        "--disable-auto-complete-config "
        '"--http-address=$ADDRESS" "--grpc-address=$ADDRESS" "--metrics-address=$ADDRESS"'
    )
    annotations = {
        "interlink.eu/shadow-same-ns": "true",
        "interlink.eu/wstunnel-extra-ports": "8000:http:TCP",
        "slurm-job.vk.io/flags": f"--partition={PARTITION} --gres=gpu:t4:1 --time=30",
        "slurm-job.vk.io/singularity-options": f"--bind {MODELS}:/models:ro",
        "slurm-job.vk.io/pre-exec": SCRIPT,
    }
    container = {
        "name": "triton",
        "image": f"{IMAGES}/{TRITON.reference}",
        "command": ["sh", "-c", server],
        "resources": {"limits": {"cpu": "1", "memory": "2Gi"}},
        "startupProbe": probe,
        "readinessProbe": probe,
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {"runAsUser": JOBS_UID},
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "tolerations": [{"key": "virtual-node.interlink/no-schedule", "operator": "Exists"}],
        "containers": [container],
    }
    files = {"host": keys.private_key(keys.TUNNEL_HOST), "authorized_keys": keys.public_key(keys.JOBS)}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": POD_NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tunnel", "namespace": POD_NAMESPACE},
            "stringData": files,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": POD, "namespace": POD_NAMESPACE},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": POD}},
                "template": {"metadata": {"labels": {"app": POD}, "annotations": annotations}, "spec": spec},
            },
        },
    ]
