"""The pod of the own Prometheus."""

import math

import pulumi

from components import single_pod
from components.base import Manifest
from components.monitoring.agents import volume_mounts, volumes
from components.monitoring.args import MonitoringArgs
from components.monitoring.configuration import STORAGE_GIB
from components.pod import CONTAINER_SECURITY, guaranteed
from stacks.schema.site import OwnPrometheus

PORT = 9090
"""Port on which the own Prometheus answers."""
CONFIG_FILE = "prometheus.yml"

START_SECONDS = 120
"""Longest time from the start of the container until Prometheus is ready."""
_USER_ID = 10001
_LOGS_GIB = 1
_CONFIG_FOLDER, _DATA_FOLDER = "/etc/prometheus", "/prometheus"


def deployment_spec(
    args: MonitoringArgs,
    prometheus: OwnPrometheus,
    *,
    config_map_name: pulumi.Input[str],
    claim_name: pulumi.Input[str] | None = None,
) -> Manifest:
    """Return the spec of the one Prometheus. Of the stack's pods it alone holds a token of the API server.

    Args:
        args: the stack and the image.
        prometheus: size, placement, and how long samples are kept.
        config_map_name: ConfigMap with the configuration.
        claim_name: claim for the samples; None: they are on the pod's disk.
    """
    return single_pod.deployment_spec(
        name=args.name,
        naming=args.naming,
        labels=args.labels,
        settings=prometheus,
        # Two at once would both count as the instance's Prometheus, one of them without samples.
        strategy={"type": "Recreate"},
        user_id=_USER_ID,
        container=_container(args, prometheus),
        volumes=[{"name": "config", "configMap": {"name": config_map_name}}, _data(claim_name), *volumes(args.agents)],
        with_token=True,
    )


def _data(claim_name: pulumi.Input[str] | None) -> Manifest:
    if claim_name is None:
        return {"name": "data", "emptyDir": {"sizeLimit": f"{STORAGE_GIB}Gi"}}
    return {"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}


def _container(args: MonitoringArgs, prometheus: OwnPrometheus) -> Manifest:
    resources = {
        "cpu": f"{math.ceil(prometheus.cpu_cores * 1000)}m",
        "memory": f"{prometheus.memory_mib}Mi",
        "ephemeral-storage": f"{_LOGS_GIB if prometheus.claim else STORAGE_GIB}Gi",
    }
    return {
        "name": "prometheus",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            f"--config.file={_CONFIG_FOLDER}/{CONFIG_FILE}",
            f"--storage.tsdb.path={_DATA_FOLDER}",
            f"--web.listen-address=:{PORT}",
            *([f"--web.external-url={prometheus.ingress.url}"] if prometheus.ingress else []),
        ],
        "ports": [{"name": single_pod.PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": single_pod.probe("/-/ready", period_seconds=2, failure_threshold=START_SECONDS // 2),
        "readinessProbe": single_pod.probe("/-/ready", period_seconds=5, failure_threshold=3),
        "livenessProbe": single_pod.probe("/-/healthy", period_seconds=15, failure_threshold=4),
        "resources": guaranteed(resources),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            {"name": "data", "mountPath": _DATA_FOLDER},
            *volume_mounts(args.agents),
        ],
    }
