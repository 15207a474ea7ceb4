"""Where the stack's metrics are: a Prometheus of its own, or one of the site's that is only read.

The own Prometheus sees the pods of this stack and nothing else: its Role lists pods of one namespace, its scrape
configuration keeps those of one instance, and its NetworkPolicy lets it reach their metrics ports. Its samples live on
the pod's disk; what must outlive a pod belongs to the site's Prometheus, which finds the same pods by annotation.
"""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import names, network
from components.base import Manifest, SonicComponent
from components.envoy.bootstrap import STATS_PORT
from components.labels import POOL_LABEL, Labels
from components.pod import CONTAINER_SECURITY, pod_security, pull_secrets
from components.triton import METRICS_PORT
from stacks.schema.site import ExternalPrometheus, OwnPrometheus

PORT = 9090
"""Where the own Prometheus answers."""

POD_READER: Manifest = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
"""All that Prometheus may do at the API server, in one namespace."""

USER_ID = 10001
_CPU_REQUEST, _CPU_LIMIT = (
    "50m",
    "500m",
)  # a few pods cost little to scrape; a query over days may cost more for a while
_STORAGE_GIB = 4
_RETENTION_GIB = 3  # the rest is for the block that is being written, which retention does not count
_CONFIG_FOLDER, _DATA_FOLDER = "/etc/prometheus", "/prometheus"
_SCRAPE_TIMEOUT_MAX_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """Where the metrics of one stack are."""

    instance: str
    """Name of the stack's objects, such as `sonic-cms`."""
    namespace: str
    """Namespace of the stack."""
    prometheus: OwnPrometheus | ExternalPrometheus
    """Which Prometheus."""
    image: str
    """Image of the own Prometheus."""
    api_server_port: int
    """Port on which the API servers listen, behind their Service."""
    keda_namespace: str | None = None
    """Namespace whose pods may query the own Prometheus, beside those of the stack's namespace."""
    pull_secret: str | None = None
    """Existing image pull secret."""


class Monitoring(SonicComponent):
    """A Prometheus that holds `nv_inference_*` of the servers and `envoy_*` of the proxies."""

    url: str
    """URL of Prometheus, as KEDA reaches it."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        match args.prometheus:
            case ExternalPrometheus(url=url):
                self.url = url
            case OwnPrometheus() as prometheus:
                self._deploy(args, prometheus)
                service = names.join(args.instance, "prometheus")
                self.url = f"http://{service}.{args.namespace}.svc.cluster.local:{PORT}"
        self.register_outputs({"url": self.url})

    def _deploy(self, args: MonitoringArgs, prometheus: OwnPrometheus) -> None:
        labels = Labels(instance=args.instance, component="prometheus")
        name = names.join(args.instance, "prometheus")
        anonymous: Manifest = {"namespace": args.namespace, "labels": labels.all}
        metadata: Manifest = {"name": name, **anonymous}
        role_ref: Manifest = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subjects: Manifest = [{"kind": "ServiceAccount", "name": name, "namespace": args.namespace}]
        account = k8s.core.v1.ServiceAccount(
            self.child("account"), metadata=metadata, automount_service_account_token=False, opts=self.options()
        )
        role = k8s.rbac.v1.Role(self.child("role"), metadata=metadata, rules=POD_READER, opts=self.options())
        binding = k8s.rbac.v1.RoleBinding(
            self.child("role-binding"),
            metadata=metadata,
            role_ref=role_ref,
            subjects=subjects,
            opts=self.options(depends_on=[role, account]),
        )
        config = k8s.core.v1.ConfigMap(
            self.child("config"),
            metadata=anonymous,  # and named anew when it changes, which rolls the pod
            data={"prometheus.yml": json.dumps(configuration(args, prometheus), indent=2)},
            immutable=True,
            opts=self.options(),
        )
        k8s.networking.v1.NetworkPolicy(
            self.child("network-policy"), metadata=metadata, spec=network_policy_spec(args), opts=self.options()
        )
        k8s.core.v1.Service(
            self.child("service"),
            metadata=metadata,
            spec=service_spec(args),
            opts=self.options(),
        )
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=metadata,
            spec=deployment_spec(args, prometheus, config_map_name=config.metadata["name"]),
            opts=self.options(depends_on=[binding]),
        )


def configuration(args: MonitoringArgs, prometheus: OwnPrometheus) -> dict[str, Any]:
    """Prometheus' configuration: the annotated pods of this instance, and retention by time and by size.

    Labels of every series beside `job` and `instance`: namespace, pod, component, and pool for servers.
    """
    interval_seconds = prometheus.scrape_interval_seconds
    timeout_seconds = min(interval_seconds, _SCRAPE_TIMEOUT_MAX_SECONDS)
    return {
        "global": {"scrape_interval": f"{interval_seconds}s", "scrape_timeout": f"{timeout_seconds}s"},
        "storage": {
            "tsdb": {"retention": {"time": f"{prometheus.retention_hours}h", "size": f"{_RETENTION_GIB}GB"}},
        },
        "scrape_configs": [
            {
                "job_name": "sonic",
                "kubernetes_sd_configs": [
                    {
                        "role": "pod",
                        "namespaces": {"names": [args.namespace]},
                        "selectors": [{"role": "pod", "label": f"app.kubernetes.io/instance={args.instance}"}],
                    }
                ],
                "relabel_configs": _relabeling(),
            }
        ],
    }


def _relabeling() -> list[dict[str, Any]]:
    annotation, label = "__meta_kubernetes_pod_annotation_prometheus_io", "__meta_kubernetes_pod_label"
    return [
        {"action": "keep", "source_labels": [f"{annotation}_scrape"], "regex": "true"},
        {"action": "keep", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Running"},
        # Discovery gives one target for each port of a pod; with the annotated port in its place they become one.
        {
            "source_labels": ["__address__", f"{annotation}_port"],
            "regex": r"(\[.+\]|[^:]+)(?::\d+)?;(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {"source_labels": [f"{annotation}_path"], "regex": "(/.*)", "target_label": "__metrics_path__"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": [f"{label}_app_kubernetes_io_component"], "target_label": "component"},
        {"source_labels": [f"{label}_{_sanitized(POOL_LABEL)}"], "target_label": "pool"},
    ]


def _sanitized(label: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in label)


def network_policy_spec(args: MonitoringArgs) -> Manifest:
    """Spec of the NetworkPolicy: KEDA and the namespace ask; metrics ports, the API server and DNS are asked."""
    servers = Labels(instance=args.instance, component="triton").selector
    proxies = Labels(instance=args.instance, component="envoy").selector
    askers = [network.pods({}), *([network.namespace_pods(args.keda_namespace)] if args.keda_namespace else [])]
    return network.policy_spec(
        Labels(instance=args.instance, component="prometheus").selector,
        ingress=[network.Edge(peers=askers, ports=[PORT])],
        egress=[
            network.Edge(peers=[network.pods(servers)], ports=[METRICS_PORT]),
            network.Edge(peers=[network.pods(proxies)], ports=[STATS_PORT]),
            # The API servers stand on nodes or outside the cluster: no selector names them.
            network.Edge(peers=[], ports=[args.api_server_port]),
            network.DNS,
        ],
    )


def service_spec(args: MonitoringArgs) -> Manifest:
    """Spec of the Service that KEDA and people ask."""
    return {
        "selector": Labels(instance=args.instance, component="prometheus").selector,
        "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
    }


def deployment_spec(args: MonitoringArgs, prometheus: OwnPrometheus, *, config_map_name: pulumi.Input[str]) -> Manifest:
    """Spec of the one Prometheus. Its pod alone in the stack holds a token of the API server, to list pods."""
    labels = Labels(instance=args.instance, component="prometheus")
    return {
        "replicas": 1,
        # Two at once would both count as the instance's Prometheus, one of them without samples.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels.selector},
        "template": {
            "metadata": {"labels": labels.all},
            "spec": {
                "serviceAccountName": names.join(args.instance, "prometheus"),
                "automountServiceAccountToken": True,
                "securityContext": {**pod_security(USER_ID), "fsGroup": USER_ID},
                **pull_secrets(args.pull_secret),
                "containers": [_container(args, prometheus)],
                "volumes": [
                    {"name": "config", "configMap": {"name": config_map_name}},
                    {"name": "data", "emptyDir": {"sizeLimit": f"{_STORAGE_GIB}Gi"}},
                ],
            },
        },
    }


def _container(args: MonitoringArgs, prometheus: OwnPrometheus) -> Manifest:
    memory = f"{prometheus.memory_mib}Mi"
    resources = {"memory": memory, "ephemeral-storage": f"{_STORAGE_GIB}Gi"}
    return {
        "name": "prometheus",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            f"--config.file={_CONFIG_FOLDER}/prometheus.yml",
            f"--storage.tsdb.path={_DATA_FOLDER}",
            f"--web.listen-address=:{PORT}",
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe("/-/ready", period_seconds=2, failure_threshold=60),
        "readinessProbe": _probe("/-/ready", period_seconds=5, failure_threshold=3),
        "livenessProbe": _probe("/-/healthy", period_seconds=15, failure_threshold=4),
        "resources": {
            "requests": {"cpu": _CPU_REQUEST, **resources},
            "limits": {"cpu": _CPU_LIMIT, **resources},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            {"name": "data", "mountPath": _DATA_FOLDER},
        ],
    }


def _probe(path: str, *, period_seconds: int, failure_threshold: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_seconds,
        "failureThreshold": failure_threshold,
        "timeoutSeconds": 3,
    }
