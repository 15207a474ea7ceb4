"""A Grafana of the stack, with its dashboards and one data source, which nobody changes there.

Grafana downloads nothing: it asks for no news, updates or plugins, and its NetworkPolicy would not let it. Its database
is on the pod's disk. It holds the user `admin`, whose password is a secret of the stack, and who looks at what.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import network, single_pod
from components.base import Manifest, SonicComponent
from components.ingress import ingress_spec, page_edges
from components.labels import Labels, version_label
from components.monitoring.credentials import AUTHORITIES_KEY, HEADER_KEY, VALUE_KEY
from components.naming import Naming
from components.pod import CONTAINER_SECURITY, guaranteed
from components.rollout import SMALL_IMAGE_PULL_SECONDS, Promise, RolledOut, not_awaited, revision_of
from stacks.schema.dashboards import GrafanaDashboards

PORT = 3000
DATASOURCE = "prometheus"
"""Uid of the data source."""
START_SECONDS = 120
"""Longest time from the start of the container until Grafana is ready; the first start makes its database."""
_USER_ID = 472
"""The image's own."""
_STORAGE_MIB = 512
_FOLDER = "/etc/sonic-grafana"
_DASHBOARDS, _PROVISIONING, _PASSWORD = f"{_FOLDER}/dashboards", f"{_FOLDER}/provisioning", "password"
_PROVIDER_FILE, _SOURCES_FILE = "provider.yaml", "prometheus.yaml"


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """One Grafana, what it shows, and the Prometheus that it asks."""

    naming: Naming
    """Instance and namespace of the stack."""
    site: GrafanaDashboards
    """The site's choices."""
    dashboards: Mapping[str, str]
    """Role -> Grafana's JSON of a dashboard; that of `stack` is the start page."""
    prometheus_url: str
    """Prometheus, as the cluster reaches it."""
    prometheus: network.Edge
    """Traffic to it."""
    credentials: Mapping[str, pulumi.Input[str]] | None
    """Header and authorities, as `components.monitoring.credentials` names them; None: neither."""
    password: pulumi.Output[str]
    """Password of the user `admin`."""
    image: str
    """Image of Grafana."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("grafana")

    @property
    def labels(self) -> Labels:
        """Labels of Grafana."""
        return self.naming.labels("grafana")


class Grafana(SonicComponent):
    """Deployment, Service and way in of one Grafana, its configuration and its NetworkPolicy."""

    rolled_out: RolledOut
    """The pod that an update promises."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        anonymous: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        metadata: Manifest = {"name": args.name, **anonymous}
        config = k8s.core.v1.ConfigMap(
            self.child("config"), metadata=anonymous, data=config_files(args), immutable=True, opts=self.options()
        )
        secret = k8s.core.v1.Secret(
            self.child("secret"), metadata=anonymous, string_data=secret_files(args), immutable=True,
            opts=self.options(),
        )  # fmt: skip
        account = k8s.core.v1.ServiceAccount(
            self.child("account"), metadata=metadata, automount_service_account_token=False, opts=self.options()
        )
        policy = k8s.networking.v1.NetworkPolicy(
            self.child("network-policy"), metadata=metadata, spec=network_policy_spec(args), opts=self.options()
        )
        k8s.core.v1.Service(
            self.child("service"),
            metadata=not_awaited(metadata),
            spec=single_pod.service_spec(args.naming, args.labels, PORT),
            opts=self.options(),
        )
        if args.site.ingress is not None:
            k8s.networking.v1.Ingress(
                self.child("ingress"),
                metadata=not_awaited({**metadata, "annotations": args.site.ingress.ingress_annotations}),
                spec=ingress_spec(args.name, single_pod.PORT_NAME, args.site.ingress),
                opts=self.options(),
            )
        spec = deployment_spec(args, config_map_name=config.metadata["name"], secret_name=secret.metadata["name"])
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(metadata | {"labels": {**args.labels.all, **version_label(args.image)}}),
            spec=spec,
            opts=self.options(depends_on=[account, policy]),
        )
        promise = Promise(
            deployment=args.name, pods_min=1, start_seconds=START_SECONDS, pull_seconds=SMALL_IMAGE_PULL_SECONDS
        )
        self.rolled_out = RolledOut(promise=promise, revision=revision_of(spec["template"]))
        self.register_outputs({})


def config_files(args: GrafanaArgs) -> dict[str, str]:
    """Return the files of the ConfigMap, by name: the dashboards, and where Grafana finds them."""
    provider = {
        "name": "sonic",
        "type": "file",
        "allowUiUpdates": False,
        "disableDeletion": True,
        "options": {"path": _DASHBOARDS},
    }
    boards = {_board_file(role): text for role, text in args.dashboards.items()}
    return {_PROVIDER_FILE: json.dumps({"apiVersion": 1, "providers": [provider]}), **boards}


def secret_files(args: GrafanaArgs) -> dict[str, pulumi.Input[str]]:
    """Return the files of the Secret, by name: the password, and the data source with what Prometheus requires."""
    credentials = pulumi.Output.all(**(args.credentials or {}))
    return {
        _PASSWORD: args.password.apply(str.strip),
        _SOURCES_FILE: credentials.apply(lambda given: json.dumps(_sources(args.prometheus_url, given))),
    }


def _sources(url: str, credentials: Mapping[str, str]) -> dict[str, Any]:
    open_settings: dict[str, Any] = {"httpMethod": "POST"}
    secret_settings: dict[str, str] = {}
    if HEADER_KEY in credentials:
        open_settings["httpHeaderName1"] = credentials[HEADER_KEY]
        secret_settings["httpHeaderValue1"] = credentials[VALUE_KEY]
    if AUTHORITIES_KEY in credentials:
        open_settings["tlsAuthWithCACert"] = True
        secret_settings["tlsCACert"] = credentials[AUTHORITIES_KEY]
    source = {
        "name": "Prometheus",
        "uid": DATASOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "isDefault": True,
        "editable": False,
        "jsonData": open_settings,
        # Grafana replaces $VARIABLE in these texts, and takes $$ for one sign.
        "secureJsonData": {key: text.replace("$", "$$") for key, text in secret_settings.items()},
    }
    return {"apiVersion": 1, "datasources": [source]}


def network_policy_spec(args: GrafanaArgs) -> Manifest:
    """Return the spec of the NetworkPolicy."""
    return network.policy_spec(
        args.labels.selector,
        ingress=page_edges(args.site.ingress, PORT),
        egress=[args.prometheus, network.dns(args.naming.dns_cidrs)],
    )


def deployment_spec(
    args: GrafanaArgs, *, config_map_name: pulumi.Input[str], secret_name: pulumi.Input[str]
) -> Manifest:
    """Return the spec of the one Grafana."""
    return single_pod.deployment_spec(
        name=args.name,
        naming=args.naming,
        labels=args.labels,
        settings=args.site,
        strategy={"type": "Recreate"},  # two would have sessions of their own
        user_id=_USER_ID,
        container=_container(args),
        volumes=[
            _configuration(args.dashboards, config_map_name, secret_name),
            {"name": "data", "emptyDir": {"sizeLimit": f"{_STORAGE_MIB}Mi"}},
            {"name": "data-tmp", "emptyDir": {"sizeLimit": f"{_STORAGE_MIB}Mi"}},
        ],
    )


def _configuration(
    roles: Sequence[str] | Mapping[str, str], config_map_name: pulumi.Input[str], secret_name: pulumi.Input[str]
) -> Manifest:
    """Return the volume with both maps as one tree, in which Grafana's provisioning looks by folder."""
    boards = [{"key": _board_file(role), "path": f"dashboards/{_board_file(role)}"} for role in roles]
    provider = {"key": _PROVIDER_FILE, "path": f"provisioning/dashboards/{_PROVIDER_FILE}"}
    source = {"key": _SOURCES_FILE, "path": f"provisioning/datasources/{_SOURCES_FILE}"}
    password = {"key": _PASSWORD, "path": _PASSWORD}
    return {
        "name": "config",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"configMap": {"name": config_map_name, "items": [provider, *boards]}},
                {"secret": {"name": secret_name, "items": [source, password]}},
            ],
        },
    }


def _container(args: GrafanaArgs) -> Manifest:
    resources = {
        "cpu": f"{math.ceil(args.site.cpu_cores * 1000)}m",
        "memory": f"{args.site.memory_mib}Mi",
        "ephemeral-storage": f"{2 * _STORAGE_MIB}Mi",
    }
    return {
        "name": "grafana",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in _settings(args).items()],
        "ports": [{"name": single_pod.PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": single_pod.probe("/api/health", period_seconds=2, failure_threshold=START_SECONDS // 2),
        "readinessProbe": single_pod.probe("/api/health", period_seconds=5, failure_threshold=3),
        "livenessProbe": single_pod.probe(
            "/healthz", period_seconds=15, failure_threshold=4
        ),  # it does not ask the database
        "resources": guaranteed(resources),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": _FOLDER, "readOnly": True},
            {"name": "data", "mountPath": "/var/lib/grafana"},
            {"name": "data-tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def _settings(args: GrafanaArgs) -> dict[str, str]:
    """Return Grafana's settings as variables, `GF_<section>_<key>`."""
    ingress = args.site.ingress
    way_in = {"GF_SERVER_ROOT_URL": ingress.url, "GF_SECURITY_COOKIE_SECURE": "true"} if ingress else {}
    return {
        "GF_PATHS_PROVISIONING": _PROVISIONING,
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_DASHBOARDS}/{_board_file('stack')}",
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_FOLDER}/{_PASSWORD}",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_LOG_MODE": "console",  # files would be on the read-only root
        **way_in,
    }


def _board_file(role: str) -> str:
    return f"{role}.json"
