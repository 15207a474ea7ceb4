"""The Deployment of Envoy: command line, probes, drain, security context, resources."""

import math
from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Manifest
from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import CONFIG_FOLDER, Feature, SecretMount, config_map_key
from components.envoy.features import features
from components.envoy.ports import ADMIN_PORT, STATS_PORT
from components.envoy.stats import METRICS_PATH, READY_PATH
from components.pod import (
    CONTAINER_SECURITY,
    guaranteed,
    placement,
    pod_security,
    pull_secrets,
    scrape_annotations,
    spread_over_nodes,
)
from components.server_pool import METRICS_PORT_NAME

BOOTSTRAP_FILE = "envoy.json"
DRAIN_FILE = "drain.sh"
STARTUP_FILE = "startup.sh"
"""Keys of the ConfigMap, which are file names where it is mounted."""

START_SECONDS = 60
"""Longest time from the start of the containers until Envoy is ready."""
_USER_ID = 10101
"""Any user can run Envoy: its binary is executable by all, and it writes only to stdout."""
_LOGS_MIB = 256
"""Five times the container log that the kubelet keeps by default, 50 MB."""


def deployment_spec(args: EnvoyProxyArgs, config_map_name: pulumi.Input[str]) -> Manifest:
    """Return the spec. A rollout starts a new Envoy and waits until it is ready before it stops an old one."""
    return {
        "replicas": args.proxy.replicas,
        "selector": {"matchLabels": args.labels.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": 5,
        # An old revision would wait for ever for its ConfigMap, which Pulumi has deleted: the way back is `pulumi up`
        # with the previous configuration.
        "revisionHistoryLimit": 0,
        "template": {
            "metadata": {
                "labels": {**args.proxy.pod_labels, **args.labels.all},
                "annotations": {**args.proxy.pod_annotations, **scrape_annotations(STATS_PORT, METRICS_PATH)},
            },
            "spec": _pod_spec(args, config_map_name),
        },
    }


def arguments(args: EnvoyProxyArgs) -> list[str]:
    """Return the arguments of Envoy, options and values as separate words: its parser takes no `--option=value`."""
    return [
        *("--config-path", f"{CONFIG_FOLDER}/{BOOTSTRAP_FILE}"),
        *("--service-node", "$(POD_NAME)"),
        *("--service-cluster", args.naming.instance),
        # One worker per core of the container. Envoy's default is one per core of the node.
        *("--concurrency", str(math.ceil(args.proxy.cpu_cores))),
        *("--drain-time-s", str(args.timing.envoy_goaway_seconds)),
        # Each response closes its connection from the start of the drain. `gradual` spreads reconnects over the drain
        # time, which only thousands of TLS handshakes need.
        *("--drain-strategy", "immediate"),
        # A new configuration comes with a new pod.
        "--disable-hot-restart",
        # Envoy's default writes the log by 64 KiB: failed requests would appear late.
        *("--file-flush-interval-msec", "1000"),
    ]


def drain_command(args: EnvoyProxyArgs) -> list[str]:
    """Return the command of the preStop hook: docs/adr, "A script drains Envoy before SIGTERM"."""
    timing = args.timing
    numbers = (ADMIN_PORT, timing.envoy_leave_seconds, timing.envoy_goaway_seconds, timing.envoy_drain_seconds)
    return ["/bin/bash", f"{CONFIG_FOLDER}/{DRAIN_FILE}", *(str(number) for number in numbers)]


def _pod_spec(args: EnvoyProxyArgs, config_map_name: pulumi.Input[str]) -> Manifest:
    parts = features(args)
    secrets = [secret for part in parts for secret in part.secrets]
    awaited = [name for part in parts for name in part.awaited_secrets]
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.naming.pull_secret),
        "terminationGracePeriodSeconds": args.timing.envoy_grace_seconds,
        **placement(args.proxy),
        "topologySpreadConstraints": spread_over_nodes(args.labels.selector),
        "securityContext": pod_security(_USER_ID),
        "containers": [
            _container(args, secrets, awaited),
            *(container for part in parts for container in part.containers),
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": config_map_name, **_items(parts)}},
            *({"name": mount.volume, "secret": {"secretName": mount.secret}} for mount in secrets),
            *(volume for part in parts for volume in part.volumes),
        ],
    }


def scripts(parts: Sequence[Feature]) -> list[str]:
    """Return the names of the scripts in the ConfigMap."""
    return [DRAIN_FILE, *([STARTUP_FILE] if any(part.awaited_secrets for part in parts) else [])]


def _items(parts: Sequence[Feature]) -> dict[str, Any]:
    """Return the paths of the ConfigMap's files, where some are in folders; without any, each key is a file."""
    paths = [BOOTSTRAP_FILE, *scripts(parts), *(path for part in parts for path in part.files)]
    if not any("/" in path for path in paths):
        return {}
    return {"items": [{"key": config_map_key(path), "path": path} for path in paths]}


def _container(args: EnvoyProxyArgs, secrets: Sequence[SecretMount], awaited: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "envoy",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        # The image's entry point only changes the user, which `securityContext` does already.
        "command": ["envoy"],
        "args": arguments(args),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": STATS_PORT}],
        "resources": _resources(args),
        **_probes(awaited),
        "lifecycle": {"preStop": {"exec": {"command": drain_command(args)}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            *({"name": mount.volume, "mountPath": mount.folder, "readOnly": True} for mount in secrets),
        ],
    }


def _probes(awaited: Sequence[str]) -> dict[str, Any]:
    """Return the probes.

    `/ready` is 503 while Envoy starts and from the start of the drain. Liveness checks that Envoy's threads work, and
    passes during the drain. No probe checks the servers: without any, Envoy still answers, with UNAVAILABLE.

    An Envoy that refuses a certificate is `/ready`, and serves nobody. Startup therefore asks for the certificates too,
    so that a rollout keeps the old Envoys. A running Envoy that refuses a renewed one goes on with the one before.

    Args:
        awaited: secrets in Envoy's configuration.
    """

    def probe(path: str, **numbers: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": STATS_PORT}, **numbers}

    alive = f"{METRICS_PATH}?filter=^server.live$"
    started: dict[str, Any] = probe(READY_PATH)
    if awaited:
        command = ["/bin/bash", f"{CONFIG_FOLDER}/{STARTUP_FILE}", str(ADMIN_PORT), *awaited]
        started = {"exec": {"command": command}}
    return {
        "startupProbe": {**started, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": START_SECONDS},
        "readinessProbe": probe(READY_PATH, periodSeconds=2, timeoutSeconds=2, failureThreshold=2),
        "livenessProbe": probe(alive, periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
    }


def _resources(args: EnvoyProxyArgs) -> dict[str, Any]:
    return guaranteed(
        {
            "cpu": f"{math.ceil(args.proxy.cpu_cores * 1000)}m",
            "memory": f"{args.proxy.memory_mib}Mi",
            "ephemeral-storage": f"{_LOGS_MIB}Mi",
        }
    )
