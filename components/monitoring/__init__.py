"""The stack's metrics: a Prometheus of its own, or one of the site's that is told where they are.

The own Prometheus sees the pods of this stack, the agents of its Slurm clusters, and nothing else. A Role lets it list
pods in the namespaces of its targets, its scrape configuration keeps the pods of one instance, and its NetworkPolicy
lets it reach their metrics ports. Its samples are on the pod's disk or in a claim. A site that keeps samples longer
scrapes the same pods by annotation.
"""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import network
from components.base import Manifest, SonicComponent
from components.labels import version_label
from components.model_repository import claim_spec
from components.monitoring.agents import SCRAPE_CONFIG_API_VERSION, AgentTarget, operator_scrape_config
from components.monitoring.args import MonitoringArgs
from components.monitoring.configuration import RULES_FILE, configuration
from components.monitoring.credentials import AUTHORITIES_KEY, PrometheusCredentials, secret_data
from components.monitoring.deployment import CONFIG_FILE, PORT, START_SECONDS, deployment_spec
from components.monitoring.discovery import MONITOR_API_VERSION, monitors, operator_metadata, services
from components.rollout import SMALL_IMAGE_PULL_SECONDS, Promise, RolledOut, not_awaited, revision_of
from components.server_pool import MetricTarget
from components.single_pod import service_spec
from stacks.schema.site import OperatorPrometheus, OwnPrometheus, SampleClaim, SitePrometheus

__all__ = ["AgentTarget", "Monitoring", "MonitoringArgs", "PrometheusCredentials"]

_POD_READER: Manifest = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]


class Monitoring(SonicComponent):
    """A Prometheus that holds `nv_inference_*` of the servers and `envoy_*` of the proxies."""

    url: str
    """URL of Prometheus, as KEDA reaches it."""
    rolled_out: RolledOut | None
    """The own Prometheus that an update promises; None: the site's is read."""
    credentials: PrometheusCredentials | None
    """Header that Prometheus requires of readers, and its authorities; None: neither."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.credentials = self._credentials(args)
        match args.prometheus:
            case SitePrometheus(url=url):
                self._announce(args)
                self.url = url
                self.rolled_out = None
            case OwnPrometheus() as prometheus:
                self.rolled_out = self._deploy(args, prometheus)
                self.url = f"http://{args.naming.host(args.name)}:{PORT}"
        self.register_outputs({"url": self.url})

    def _credentials(self, args: MonitoringArgs) -> PrometheusCredentials | None:
        data = secret_data(args.prometheus, args.secrets)
        if data is None:
            return None
        metadata: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        # Pulumi gives a changed Secret a new name, which rolls the pods that read it.
        secret: k8s.core.v1.Secret = k8s.core.v1.Secret(
            self.child("credentials"), metadata=metadata, string_data=data, immutable=True, opts=self.options()
        )
        return PrometheusCredentials(
            secret_name=secret.metadata.apply(lambda metadata: str(metadata.name)), authorities=AUTHORITIES_KEY in data
        )

    def _announce(self, args: MonitoringArgs) -> None:
        """Make the objects by which the site's Prometheus finds the pods."""
        for service in services(args):
            k8s.core.v1.Service(
                self._child_of("service", service),
                metadata=not_awaited(service["metadata"]),
                spec=service["spec"],
                opts=self.options(),
            )
        for monitor in monitors(args):
            k8s.apiextensions.CustomResource(
                self._child_of("monitor", monitor), api_version=MONITOR_API_VERSION, **monitor, opts=self.options()
            )
        if isinstance(args.prometheus, OperatorPrometheus):
            self._tell_operator(args, args.prometheus)

    def _tell_operator(self, args: MonitoringArgs, site: OperatorPrometheus) -> None:
        """Make the objects with scrapes outside the cluster, and with rules."""
        of_stack: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        for agent in args.agents:
            name = (args.naming.instance, "slurm-agent", agent.virtual_node)
            k8s.apiextensions.CustomResource(
                self.child(f"scrape-{agent.virtual_node}"),
                api_version=SCRAPE_CONFIG_API_VERSION,
                kind="ScrapeConfig",
                metadata=operator_metadata(site, *name, **of_stack),
                spec=operator_scrape_config(agent, args.naming.instance),
                opts=self.options(),
            )
        k8s.apiextensions.CustomResource(
            self.child("rules"),
            api_version=MONITOR_API_VERSION,
            kind="PrometheusRule",
            metadata=operator_metadata(site, args.name, **of_stack),
            spec={"groups": args.rule_groups},
            opts=self.options(),
        )

    def _child_of(self, role: str, manifest: Manifest) -> str:
        """Return the Pulumi name of one of several objects of a role, whose names may be equal across namespaces."""
        metadata = manifest["metadata"]
        return self.child(f"{role}-{metadata['namespace']}-{metadata['name']}")

    def _deploy(self, args: MonitoringArgs, prometheus: OwnPrometheus) -> RolledOut:
        anonymous: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        metadata: Manifest = {"name": args.name, **anonymous}
        account = k8s.core.v1.ServiceAccount(
            self.child("account"), metadata=metadata, automount_service_account_token=False, opts=self.options()
        )
        bindings = [self._reads_pods(args, namespace, account) for namespace in args.target_namespaces]
        config = k8s.core.v1.ConfigMap(
            self.child("config"),
            metadata=anonymous,  # Pulumi names it anew when it changes, which rolls the pod
            data=config_files(args, prometheus),
            immutable=True,
            opts=self.options(),
        )
        k8s.networking.v1.NetworkPolicy(
            self.child("network-policy"), metadata=metadata, spec=network_policy_spec(args), opts=self.options()
        )
        k8s.core.v1.Service(
            self.child("service"),
            metadata=not_awaited(metadata),
            spec=service_spec(args.naming, args.labels, PORT),
            opts=self.options(),
        )
        claim_name = self._claim(args, prometheus.claim).metadata["name"] if prometheus.claim else None
        spec = deployment_spec(args, prometheus, config_map_name=config.metadata["name"], claim_name=claim_name)
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(metadata | {"labels": {**args.labels.all, **version_label(args.image)}}),
            spec=spec,
            opts=self.options(depends_on=bindings),
        )
        promise = Promise(
            deployment=args.name, pods_min=1, start_seconds=START_SECONDS, pull_seconds=SMALL_IMAGE_PULL_SECONDS
        )
        return RolledOut(promise=promise, revision=revision_of(spec["template"]))

    def _claim(self, args: MonitoringArgs, claim: SampleClaim) -> k8s.core.v1.PersistentVolumeClaim:
        """Make the claim for the samples. One of another class is another claim, to which the pod rolls."""
        # Unnamed: Pulumi names it. One that waits for its first pod must not hold the update before it.
        metadata: Manifest = {"namespace": args.naming.namespace, "labels": args.labels.all}
        spec = claim_spec("ReadWriteOnce", f"{claim.size_gib}Gi", claim.storage_class)
        return k8s.core.v1.PersistentVolumeClaim(
            self.child("claim"), metadata=not_awaited(metadata), spec=spec, opts=self.options()
        )

    def _reads_pods(self, args: MonitoringArgs, namespace: str, account: pulumi.Resource) -> pulumi.Resource:
        """Let the account list the pods of one namespace."""
        suffix = "" if namespace == args.naming.namespace else f"-{namespace}"
        metadata: Manifest = {"name": args.name, "namespace": namespace, "labels": args.labels.all}
        role_ref: Manifest = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": args.name}
        subjects: Manifest = [{"kind": "ServiceAccount", "name": args.name, "namespace": args.naming.namespace}]
        role = k8s.rbac.v1.Role(self.child(f"role{suffix}"), metadata=metadata, rules=_POD_READER, opts=self.options())
        binding: pulumi.Resource = k8s.rbac.v1.RoleBinding(
            self.child(f"role-binding{suffix}"),
            metadata=metadata,
            role_ref=role_ref,
            subjects=subjects,
            opts=self.options(depends_on=[role, account]),
        )
        return binding


def config_files(args: MonitoringArgs, prometheus: OwnPrometheus) -> dict[str, str]:
    """Return the files of the ConfigMap, by name: JSON, which is YAML too."""
    files = {CONFIG_FILE: configuration(args, prometheus), RULES_FILE: {"groups": args.rule_groups}}
    return {name: json.dumps(content, indent=2) for name, content in files.items()}


def network_policy_spec(args: MonitoringArgs) -> Manifest:
    """Return the spec of the NetworkPolicy.

    Ingress: KEDA, Grafana and the stack's namespace. Egress: metrics ports of the targets, agents, API server, DNS.
    """
    others = filter(None, (args.keda_namespace, args.grafana_namespace))
    clients = [network.pods({}), *(network.namespace_pods(namespace) for namespace in others)]
    return network.policy_spec(
        args.labels.selector,
        ingress=[network.Edge(peers=clients, ports=[PORT])],
        egress=[
            *(network.Edge(peers=[_peer(args, target)], ports=[target.port]) for target in args.targets),
            *(network.edge_to_url(agent.url) for agent in args.agents),
            # The API servers run on nodes or outside the cluster: no selector names them.
            network.Edge(peers=[], ports=[args.api_server_port]),
            network.dns(args.naming.dns_cidrs),
        ],
    )


def _peer(args: MonitoringArgs, target: MetricTarget) -> Mapping[str, Any]:
    namespace = None if target.namespace == args.naming.namespace else target.namespace
    return network.pods(target.labels, namespace)
