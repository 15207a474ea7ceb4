"""The way in to the stack's own Prometheus: an Ingress, and behind it an Envoy that asks for a password.

Readers in the cluster (KEDA, the admission controller, Grafana) ask Prometheus itself, as without a way in: docs/adr,
"An Envoy asks for the password of Prometheus".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import network, single_pod
from components.base import Manifest, SonicComponent
from components.envoy.feature import CONFIG_FOLDER
from components.envoy.ports import STATS_PORT
from components.envoy.stats import METRICS_PATH, READY_PATH
from components.envoy.validate import find_envoy, validate_bootstrap
from components.ingress import ingress_spec, page_edges
from components.labels import Labels, version_label
from components.metrics_login.bootstrap import PORT, USERS_FILE, bootstrap
from components.naming import Naming
from components.pod import CONTAINER_SECURITY, guaranteed, pod_guards
from components.rollout import SMALL_IMAGE_PULL_SECONDS, Promise, RolledOut, not_awaited, revision_of
from stacks.schema.pod_settings import PodSettings
from stacks.schema.url import endpoint
from stacks.schema.web_ingress import PrometheusIngress

START_SECONDS = 60
"""Longest time from the start of the container until Envoy is ready."""
_BOOTSTRAP_FILE = "envoy.json"
_USER_ID = 10101
_ANYBODY = "nobody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="
"""A user, for the validation: the true ones are secret."""
_RESOURCES = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"}


@dataclass(frozen=True, kw_only=True)
class MetricsLoginArgs:
    """The way in to one Prometheus."""

    naming: Naming
    """Instance and namespace of the stack."""
    ingress: PrometheusIngress
    """The site's Ingress."""
    placement: PodSettings
    """The site's choices for the pod: those of Prometheus."""
    users: pulumi.Output[str]
    """Users and their passwords' hashes, in htpasswd's format."""
    prometheus_url: str
    """Prometheus, as the cluster reaches it; its pod listens on the same port."""
    prometheus_peer: Mapping[str, Any]
    """Its pod, to a NetworkPolicy."""
    image: str
    """Image of Envoy."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("metrics-login")

    @property
    def labels(self) -> Labels:
        """Labels of this Envoy."""
        return self.naming.labels("metrics-login")


class MetricsLogin(SonicComponent):
    """Ingress, Service and Deployment, the configuration and the users, and what guards the pod."""

    rolled_out: RolledOut
    """The pod that an update promises."""

    def __init__(self, name: str, args: MetricsLoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        anonymous: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        metadata: Manifest = {"name": args.name, **anonymous}
        config = k8s.core.v1.ConfigMap(
            self.child("config"), metadata=anonymous, data=_valid_files(args), immutable=True, opts=self.options()
        )
        secret = k8s.core.v1.Secret(
            self.child("secret"),
            metadata=anonymous,
            string_data={USERS_FILE: args.users},
            immutable=True,
            opts=self.options(),
        )
        guards = pod_guards(self, metadata, selector=args.labels.selector, policy=network_policy_spec(args))
        k8s.core.v1.Service(
            self.child("service"),
            metadata=not_awaited(metadata),
            spec=single_pod.service_spec(args.naming, args.labels, PORT),
            opts=self.options(),
        )
        k8s.networking.v1.Ingress(
            self.child("ingress"),
            metadata=not_awaited({**metadata, "annotations": args.ingress.ingress_annotations}),
            spec=ingress_spec(args.name, single_pod.PORT_NAME, args.ingress),
            opts=self.options(),
        )
        spec = deployment_spec(args, config_map_name=config.metadata["name"], secret_name=secret.metadata["name"])
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(metadata | {"labels": {**args.labels.all, **version_label(args.image)}}),
            spec=spec,
            opts=self.options(depends_on=guards),
        )
        promise = Promise(
            deployment=args.name, pods_min=1, start_seconds=START_SECONDS, pull_seconds=SMALL_IMAGE_PULL_SECONDS
        )
        self.rolled_out = RolledOut(promise=promise, revision=revision_of(spec["template"]))
        self.register_outputs({})


def network_policy_spec(args: MetricsLoginArgs) -> Manifest:
    """Return the spec of the NetworkPolicy: from the ingress controller, to Prometheus and DNS."""
    to_prometheus = network.Edge(peers=[args.prometheus_peer], ports=[endpoint(args.prometheus_url).port])
    return network.policy_spec(
        args.labels.selector,
        ingress=page_edges(args.ingress, PORT),
        egress=[to_prometheus, network.dns(args.naming.dns_cidrs)],
    )


def _valid_files(args: MetricsLoginArgs) -> dict[str, str]:
    """Return the content of the ConfigMap, which a real Envoy has accepted."""
    _, host, port = endpoint(args.prometheus_url)
    config = bootstrap(host=host, port=port, ipv6="IPv6" in args.naming.ip_families)
    try:
        validate_bootstrap(config, envoy=find_envoy(), files={USERS_FILE: _ANYBODY})
    except ValueError as error:
        raise pulumi.RunError(str(error)) from None
    return {_BOOTSTRAP_FILE: json.dumps(config, indent=2)}


def deployment_spec(
    args: MetricsLoginArgs, *, config_map_name: pulumi.Input[str], secret_name: pulumi.Input[str]
) -> Manifest:
    """Return the spec. Other users are another Secret, to which this pod rolls, and not Prometheus with its samples."""
    sources = [{"configMap": {"name": config_map_name}}, {"secret": {"name": secret_name}}]
    return single_pod.deployment_spec(
        name=args.name,
        naming=args.naming,
        labels=args.labels,
        settings=args.placement,
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        user_id=_USER_ID,
        container=_container(args),
        volumes=[{"name": "config", "projected": {"defaultMode": 0o440, "sources": sources}}],
    )


def _container(args: MetricsLoginArgs) -> Mapping[str, Any]:
    def probe(path: str, **numbers: int) -> Manifest:
        return {"httpGet": {"path": path, "port": STATS_PORT}, "timeoutSeconds": 2, **numbers}

    return {
        "name": "metrics-login",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["envoy"],
        "args": [
            *("--config-path", f"{CONFIG_FOLDER}/{_BOOTSTRAP_FILE}"),
            *("--concurrency", "1"),
            "--disable-hot-restart",
        ],
        "ports": [{"name": single_pod.PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": probe(READY_PATH, periodSeconds=1, failureThreshold=START_SECONDS),
        "readinessProbe": probe(READY_PATH, periodSeconds=5, failureThreshold=2),
        "livenessProbe": probe(f"{METRICS_PATH}?filter=^server.live$", periodSeconds=15, failureThreshold=4),
        "resources": guaranteed(_RESOURCES),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }
