"""The proxies' Deployment: command line, probes, drain, security, resources."""

import math
from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Manifest
from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import CONFIG_FOLDER, SecretMount
from components.envoy.features import features
from components.envoy.ports import ADMIN_PORT, GRPC_PORT, STATS_PORT
from components.envoy.stats import METRICS_PATH, READY_PATH
from components.pod import CONTAINER_SECURITY, pod_security, pull_secrets, scrape_annotations, spread_over_nodes

BOOTSTRAP_FILE = "envoy.json"
DRAIN_FILE = "drain.sh"
"""Keys of the ConfigMap, files of the folder it is mounted at."""

_USER_ID = 10101
"""Any would do: Envoy's binary is everybody's to run, and it writes nothing but stdout."""
_LOGS_MIB = 256
"""Five times what the kubelet keeps of a container's log by default, 50 MB."""


def deployment_spec(args: EnvoyProxyArgs, config_map_name: pulumi.Input[str]) -> Manifest:
    """Spec of the Deployment: a new proxy is ready before an old one begins to leave."""
    return {
        "replicas": args.proxy.replicas,
        "selector": {"matchLabels": args.labels.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": 5,
        "revisionHistoryLimit": 3,
        "template": {
            "metadata": {
                "labels": args.labels.all,
                "annotations": scrape_annotations(STATS_PORT, METRICS_PATH),
            },
            "spec": _pod_spec(args, config_map_name),
        },
    }


def arguments(args: EnvoyProxyArgs) -> list[str]:
    """Command line of Envoy."""
    # Options and values are separate words: Envoy's parser takes no `--option=value`.
    return [
        *("--config-path", f"{CONFIG_FOLDER}/{BOOTSTRAP_FILE}"),
        *("--service-node", "$(POD_NAME)"),
        *("--service-cluster", args.naming.instance),
        # One worker per core, or Envoy would start one per core of the node.
        *("--concurrency", str(math.ceil(args.proxy.cpu_cores))),
        *("--drain-time-s", str(args.timing.envoy_goaway_seconds)),
        # Every answer tells its client to move. `gradual` does so by chance, so that not all connect anew at once:
        # that is for thousands of TLS handshakes, not for plain text.
        *("--drain-strategy", "immediate"),
        # A new configuration is a new pod.
        "--disable-hot-restart",
        # Failed calls are to be seen at once, not with the next 64 KiB of log.
        *("--file-flush-interval-msec", "1000"),
    ]


def drain_command(args: EnvoyProxyArgs) -> list[str]:
    """The preStop hook.

    A `sleep` would cut what is then in progress, for Envoy ends at SIGTERM at once; a hook of kind `httpGet` cannot
    POST; a sidecar that drains is one more image and one more container to keep alive.
    """
    timing = args.timing
    numbers = (ADMIN_PORT, timing.envoy_leave_seconds, timing.envoy_goaway_seconds, timing.envoy_drain_seconds)
    return ["/bin/bash", f"{CONFIG_FOLDER}/{DRAIN_FILE}", *(str(number) for number in numbers)]


def _pod_spec(args: EnvoyProxyArgs, config_map_name: pulumi.Input[str]) -> Manifest:
    parts = features(args)
    secrets = [secret for part in parts for secret in part.secrets]
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.naming.pull_secret),
        "terminationGracePeriodSeconds": args.timing.envoy_grace_seconds,
        "nodeSelector": args.proxy.node_selector,
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in args.proxy.tolerations],
        "topologySpreadConstraints": spread_over_nodes(args.labels.selector),
        "securityContext": pod_security(_USER_ID),
        "containers": [
            _container(args, secrets),
            *(container for part in parts for container in part.containers),
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": config_map_name}},
            *({"name": mount.volume, "secret": {"secretName": mount.secret}} for mount in secrets),
        ],
    }


def _container(args: EnvoyProxyArgs, secrets: Sequence[SecretMount]) -> dict[str, Any]:
    return {
        "name": "envoy",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        # The image's own entry point would only change the user, which is changed already.
        "command": ["envoy"],
        "args": arguments(args),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [
            {"name": "grpc", "containerPort": GRPC_PORT},
            {"name": "stats", "containerPort": STATS_PORT},
        ],
        "resources": _resources(args),
        **_probes(),
        "lifecycle": {"preStop": {"exec": {"command": drain_command(args)}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            *({"name": mount.volume, "mountPath": mount.folder, "readOnly": True} for mount in secrets),
        ],
    }


def _probes() -> dict[str, Any]:
    """`/ready` is 503 while Envoy starts and from the moment it drains; liveness asks only whether threads still work.

    Readiness says nothing of the servers: an Envoy without any answers UNAVAILABLE, which is an answer.
    """

    def probe(path: str, **numbers: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "stats"}, **numbers}

    alive = f"{METRICS_PATH}?filter=^server.live$"
    return {
        "startupProbe": probe(READY_PATH, periodSeconds=1, timeoutSeconds=2, failureThreshold=60),
        "readinessProbe": probe(READY_PATH, periodSeconds=2, timeoutSeconds=2, failureThreshold=2),
        "livenessProbe": probe(alive, periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
    }


def _resources(args: EnvoyProxyArgs) -> dict[str, Any]:
    fixed = {"cpu": f"{math.ceil(args.proxy.cpu_cores * 1000)}m", "memory": f"{args.proxy.memory_mib}Mi"}
    return {
        "requests": {**fixed, "ephemeral-storage": "16Mi"},
        "limits": {**fixed, "ephemeral-storage": f"{_LOGS_MIB}Mi"},
    }
