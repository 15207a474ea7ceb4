"""A whole stack: one site, one experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import names, queries, versions
from components.autoscaling import Autoscaling, AutoscalingArgs, Trigger
from components.base import Manifest, SonicComponent
from components.dashboards import (
    DATASOURCE,
    Grafana,
    GrafanaArgs,
    SidecarMaps,
    SidecarMapsArgs,
    StackFacts,
    dashboards,
)
from components.envoy import STATS_PORT, AdmissionArgs, EnvoyProxy, EnvoyProxyArgs
from components.envoy.stats import METRICS_PATH
from components.exposure import ClientEndpoint
from components.gpu_nodes import GpuNodes, GpuNodesArgs
from components.images import in_a_job, mirrored
from components.labels import INFORMATION, instance_selector
from components.metrics_login import MetricsLogin, MetricsLoginArgs
from components.model_repository import ModelRepository, ModelRepositoryArgs
from components.monitoring import AgentTarget, Monitoring, MonitoringArgs, rules
from components.monitoring.credentials import secret_data
from components.naming import Naming
from components.network import IN_CLUSTER, edge_to_url, namespace_pods, pods, policy_spec
from components.patches import transformation
from components.pod import deployment_pod_pattern
from components.rollout import ClusterHooks, Rollout, RolloutArgs
from components.server_pool import MetricTarget, ServerPool
from components.timing import ServerTiming, Timing
from components.triton import Pool, ServersArgs, SlurmPool, SlurmPoolArgs, TritonPool, TritonPoolArgs
from components.virtual_node import TokenArgs, VirtualNode, VirtualNodeArgs, VirtualNodeImages
from stacks.schema import PoolShare, StackConfig
from stacks.schema.clients import TokenClients, tenants_of
from stacks.schema.dashboards import GrafanaDashboards, SidecarDashboards
from stacks.schema.experiment import Admission
from stacks.schema.pools import InterLinkPool, KubernetesPool
from stacks.schema.remote_apis import OAuth2Api
from stacks.schema.site import OwnPrometheus
from stacks.schema.virtual_nodes import SocketApi


@dataclass(frozen=True, kw_only=True)
class SiteStackArgs:
    """The configuration and the secrets of a stack."""

    config: StackConfig
    """The resolved configuration."""
    secrets: Mapping[str, pulumi.Output[str]]
    """Pulumi secrets by name: those that `config.secret_names` lists."""
    hooks: ClusterHooks | None = None
    """Work in the cluster during an update. None: manifests are only rendered."""
    self_tests: Mapping[str, bytes] = field(default_factory=dict)
    """Files with requests that are known to be right, by name, for the servers' liveness."""
    label_nodes: bool = True
    """Read and label the cluster's nodes. False where manifests are only rendered."""


class SiteStack(SonicComponent):
    """All components of a stack, in the order of their dependencies."""

    endpoints: tuple[ClientEndpoint, ...]
    """Addresses that clients call, the exported one first."""
    metrics_url: str
    """URL of the Prometheus that has the stack's metrics, as the cluster reaches it."""
    metrics_queries: Mapping[str, str]
    """Query of each reader of the metrics, without the condition of an autoscaler's.

    A fresh stack fulfils that after two minutes, and the acceptance check tells at once whether the series are there.
    """

    def __init__(self, name: str, args: SiteStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        patches = (args.config.site.patches, args.config.experiment.patches)
        patched = pulumi.ResourceOptions(transformations=[transformation(patches)])
        super().__init__(name, pulumi.ResourceOptions.merge(opts, patched))
        self._config = args.config
        self._hooks = args.hooks
        self._self_tests = args.self_tests
        self._naming = Naming(
            instance=args.config.name,
            namespace=args.config.namespace,
            cluster_domain=args.config.site.access.cluster_domain,
            pull_secret=args.config.site.images.pull_secret,
            ip_families=args.config.site.access.ip_families,
            dns_cidrs=args.config.site.access.dns_cidrs,
        )

        ground = self._namespace()
        nodes = [*(self._gpu_nodes() if args.label_nodes else []), *self._virtual_nodes(args.secrets, ground)]
        repository = self._model_repository(args.secrets, ground)
        tritons = [
            self._triton_pool(priority, share, repository, args.secrets, ground + nodes)
            for priority, share in enumerate(args.config.pool_shares)
        ]
        pools = [triton.server_pool for triton in tritons]
        monitoring = self._monitoring(pools, args.secrets, ground)
        admission = self._admission(pools, monitoring)
        proxy = self._envoy_proxy(pools, admission, ground)
        scalings = {triton.server_pool.name: self._autoscaling(triton, monitoring) for triton in tritons}
        triggers = {name: scaling.triggers for name, scaling in scalings.items() if scaling}
        grafana = self._dashboards(pools, triggers, monitoring, args.secrets, ground)
        login = self._metrics_login(monitoring, args.secrets, ground)
        self._rollout([proxy, monitoring, *(each for each in (grafana, login) if each), *tritons])

        self.endpoints = proxy.endpoints
        self.metrics_url = monitoring.url
        self.metrics_queries = {
            **{
                f"autoscaling of pool {name} by {trigger.name}": trigger.query
                for name, loads in triggers.items()
                for trigger in loads
            },
            **({"refusal of new jobs": admission.query} if admission and admission.queries_prometheus else {}),
        }
        self.register_outputs(self.exports())

    def exports(self) -> dict[str, Any]:
        """Return the outputs for the stack's clients, its acceptance check and its operator.

        `siteconf` holds the two variables that a site gives CMSSW for its load balancer. CMSSW speaks no TLS to it, so
        they are those of the first address in plain text, and a stack without one has no `siteconf`.
        """
        first, *further = self.endpoints
        plain_text = [endpoint for endpoint in self.endpoints if not endpoint.grpc_tls]
        return {
            "namespace": self._config.namespace,
            **first.outputs,
            **({"further_endpoints": [endpoint.outputs for endpoint in further]} if further else {}),
            "metrics_url": self.metrics_url,
            **({"web_pages": _web_pages(self._config)} if self._config.site.web_pages else {}),
            "metrics_queries": [{"reader": reader, "query": query} for reader, query in self.metrics_queries.items()],
            "models": [
                {"name": model.name, "versions": list(model.versions or ())}
                for model in self._config.experiment.models.expected
            ],
            **({"siteconf": _siteconf(plain_text[0])} if plain_text else {}),
        }

    def _namespace(self) -> list[pulumi.Resource]:
        """Make the namespace if the stack owns it, and deny all traffic in it that no component declares."""
        config = self._config
        namespaces: list[pulumi.Resource] = []
        if config.site.access.create_namespace:
            metadata: Manifest = {"name": config.namespace, "labels": namespace_labels(config)}
            namespaces.append(k8s.core.v1.Namespace(self.child("namespace"), metadata=metadata, opts=self.options()))
        selector = instance_selector(config.name)
        labels = {**selector, **INFORMATION}
        metadata = {"name": names.join(config.name, "default-deny"), "namespace": config.namespace, "labels": labels}
        denial = k8s.networking.v1.NetworkPolicy(
            self.child("default-deny"),
            metadata=metadata,
            spec=policy_spec(selector, ingress=[], egress=[]),
            opts=self.options(depends_on=namespaces),
        )
        return [*namespaces, denial]

    def _gpu_nodes(self) -> list[pulumi.Resource]:
        """Label the nodes if the site has labels and this stack owns the cluster's singletons."""
        node_labels = self._config.site.node_labels
        if not (node_labels and self._config.owns_singletons):
            return []
        return [GpuNodes(self.child("gpu-nodes"), GpuNodesArgs(node_labels=node_labels), self.options())]

    def _token(self, api: OAuth2Api, secrets: Mapping[str, pulumi.Output[str]]) -> TokenArgs:
        python = self._config.site.images.admission or versions.ADMISSION_IMAGE
        return TokenArgs(image=self._image(python), client_secret=secrets[api.client_secret])

    def _virtual_nodes(
        self, secrets: Mapping[str, pulumi.Output[str]], after: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """Deploy the virtual kubelets of the site, if this stack owns the cluster's singletons."""
        config = self._config
        mirrors = config.site.images.mirrors
        return [
            VirtualNode(
                self.child(f"virtual-node-{node.name}"),
                VirtualNodeArgs(
                    naming=self._naming,
                    node=node,
                    images=VirtualNodeImages.of(node.interlink, config.site.images),
                    plugin_image=mirrored(node.api.plugin_image, mirrors) if isinstance(node.api, SocketApi) else None,
                    token=self._token(node.api, secrets) if isinstance(node.api, OAuth2Api) else None,
                    api_server_port=config.site.access.api_server_port,
                ),
                self.options(depends_on=after),
            )
            for node in config.owned_virtual_nodes
        ]

    def _model_repository(
        self, secrets: Mapping[str, pulumi.Output[str]], after: list[pulumi.Resource]
    ) -> ModelRepository:
        args = ModelRepositoryArgs(
            naming=self._naming,
            repository=self._config.experiment.models.repository,
            storage=self._config.site.storage,
            secrets=secrets,
        )
        return ModelRepository(self.child("model-repository"), args, self.options(depends_on=after))

    def _monitoring(
        self, pools: Sequence[ServerPool], secrets: Mapping[str, pulumi.Output[str]], after: list[pulumi.Resource]
    ) -> Monitoring:
        site, experiment = self._config.site, self._config.experiment
        proxies = MetricTarget(
            name="envoy-metrics",
            namespace=self._config.namespace,
            labels=self._naming.labels("envoy").selector,
            port=STATS_PORT,
            path=METRICS_PATH,
        )
        agents, shown = self._agents(pools), site.monitoring.dashboards
        facts = rules.RuleFacts(
            instance=self._config.name,
            experiment=self._config.experiment_name,
            pools=tuple(pools),
            agents=frozenset(agent.virtual_node for agent in agents),
            namespace=self._config.namespace,
            envoy_pattern=self._envoy_pattern,
            models=tuple(model.name for model in experiment.models.expected),
            scaling=experiment.scaling,
            tls=self._config.ways_in[0].exposure.pod_tls_secret is not None,
            tokens=isinstance(experiment.clients, TokenClients),
            limited=experiment.admission != Admission(),
        )
        args = MonitoringArgs(
            naming=self._naming,
            prometheus=site.monitoring,
            servers=_distinct([pool.metrics for pool in pools]),
            proxies=proxies,
            secrets=secrets,
            agents=agents,
            rule_groups=rules.groups(facts),
            image=self._image(site.images.prometheus or versions.PROMETHEUS_IMAGE),
            api_server_port=site.access.api_server_port,
            keda_namespace=site.keda.namespace if site.keda else None,
            grafana_namespace=shown.grafana_namespace if isinstance(shown, SidecarDashboards) else None,
        )
        return Monitoring(self.child("monitoring"), args, self.options(depends_on=after))

    def _agents(self, pools: Sequence[ServerPool]) -> tuple[AgentTarget, ...]:
        """Return the agents of the virtual nodes that the pools use."""
        used = {pool.queue.virtual_node for pool in pools if pool.queue}
        return tuple(
            AgentTarget(virtual_node=node.name, url=node.agent.url, certificate_secret=node.agent.certificate_secret)
            for node in self._config.site.virtual_nodes
            if node.agent and node.name in used
        )

    def _triton_pool(
        self,
        priority: int,
        share: PoolShare,
        repository: ModelRepository,
        secrets: Mapping[str, pulumi.Output[str]],
        after: list[pulumi.Resource],
    ) -> Pool:
        """Make a pool of pods, or of Slurm jobs. No other part of a stack asks for its kind."""
        site, experiment = self._config.site, self._config.experiment
        image = experiment.server.image
        name, options = self.child(f"triton-{share.pool.name}"), self.options(depends_on=[*after, repository])
        of_nodes = ServersArgs(
            naming=self._naming,
            share=share,
            priority=priority,
            server=experiment.server,
            image=self._image(image),
            models=experiment.models,
            repository=repository.mounted,
            secrets=secrets,
            timing=ServerTiming.of(experiment.traffic, dns_ttl_seconds=site.dns_ttl_seconds),
            proxy_selector=self._naming.labels("envoy").selector,
            model_managers=site.model_control,
            prometheus_peer=self._prometheus_peer(),
            tracing=site.tracing,
            hooks=self._hooks,
        )
        match share.pool:
            case KubernetesPool() as pool:
                args = TritonPoolArgs(**vars(of_nodes), pool=pool, data=site.storage.data, self_tests=self._self_tests)
                return TritonPool(name, args, options)
            case InterLinkPool() as pool:
                of_jobs = replace(
                    of_nodes,
                    image=in_a_job(image, folders=pool.image_folders, mirrors=site.images.mirrors),
                    timing=ServerTiming.in_a_job(experiment.traffic, dns_ttl_seconds=site.dns_ttl_seconds),
                )
                node = site.virtual_node(pool.virtual_node)
                return SlurmPool(name, SlurmPoolArgs(**vars(of_jobs), pool=pool, node=node), options)

    def _envoy_proxy(
        self, pools: Sequence[ServerPool], admission: AdmissionArgs | None, after: list[pulumi.Resource]
    ) -> EnvoyProxy:
        """Put all pools behind one address. A pool takes the requests that healthy servers before it cannot."""
        site, experiment = self._config.site, self._config.experiment
        args = EnvoyProxyArgs(
            stack=self._config.stack,
            naming=self._naming,
            pools=tuple(pools),
            proxy=site.proxy,
            traffic=experiment.traffic,
            stateful=experiment.models.stateful,
            clients=experiment.clients,
            timing=Timing.of(experiment.traffic),
            ways_in=self._config.ways_in,
            image=self._image(site.images.envoy or versions.ENVOY_IMAGE),
            admission=admission,
            tracing=site.tracing,
            prometheus_peer=self._prometheus_peer(),
        )
        return EnvoyProxy(self.child("envoy"), args, self.options(depends_on=after))

    def _admission(self, pools: Sequence[ServerPool], monitoring: Monitoring) -> AdmissionArgs | None:
        """Return the limits of admission and of the first pool; None where there are neither."""
        site, experiment = self._config.site, self._config.experiment
        if experiment.admission == Admission() and len(pools) == 1:
            return None
        scaling = experiment.scaling
        return AdmissionArgs(
            declared=experiment.admission,
            servers_max=scaling.servers_max,
            query=queries.queue_wait_ms(pools, service_time_ms=scaling.service_time_ms),
            prometheus_url=monitoring.url,
            credentials=monitoring.credentials,
            prometheus_peers=[self._prometheus_peer()] if isinstance(site.monitoring, OwnPrometheus) else [],
            tenants=tenants_of(experiment.clients),
            # A request of a queue within its target spends no more time in a pool, and a server has no more of them.
            spill_ms=scaling.queue_target_ms + scaling.service_time_ms if len(pools) > 1 else None,
            spill_in_flight_per_server=scaling.queue_target_ms / scaling.service_time_ms + 1,
            image=self._image(site.images.admission or versions.ADMISSION_IMAGE),
        )

    def _autoscaling(self, triton: Pool, monitoring: Monitoring) -> Autoscaling | None:
        """Let KEDA scale a pool that has a scale target."""
        pool, site = triton.server_pool, self._config.site
        if pool.scale_target is None:
            return None
        args = AutoscalingArgs(
            pool=pool,
            target=pool.scale_target,
            scaling=self._config.experiment.scaling,
            envoy_pattern=self._envoy_pattern,
            prometheus_url=monitoring.url,
            credentials=monitoring.credentials,
            timeout_ms=site.keda.timeout_ms if site.keda else None,
        )
        options = self.options(depends_on=[triton, monitoring])
        return Autoscaling(self.child(f"autoscaling-{pool.name}"), args, options)

    def _dashboards(
        self,
        pools: Sequence[ServerPool],
        triggers: Mapping[str, Sequence[Trigger]],
        monitoring: Monitoring,
        secrets: Mapping[str, pulumi.Output[str]],
        after: list[pulumi.Resource],
    ) -> Grafana | None:
        """Make the dashboards that the site asks for, and a Grafana if it is to be the stack's.

        That of all stacks needs a Prometheus which has their series, and one owner in a Grafana that they share.
        """
        shown = self._config.site.monitoring.dashboards
        if shown is None:
            return None
        name, options = self.child("dashboards"), self.options(depends_on=after)
        facts = self._stack_facts(pools, triggers)
        shared = not isinstance(self._config.site.monitoring, OwnPrometheus)
        match shown:
            case SidecarDashboards(datasource=datasource):
                fleet = shared and self._config.owns_singletons
                made = dashboards(facts, fleet=fleet, datasource=datasource)
                args = SidecarMapsArgs(naming=self._naming, site=shown, dashboards=made)
                SidecarMaps(name, args, options)
                return None
            case GrafanaDashboards():
                made = dashboards(facts, fleet=shared, datasource=DATASOURCE)
                return Grafana(name, self._grafana_args(shown, made, monitoring, secrets), options)

    def _grafana_args(
        self,
        shown: GrafanaDashboards,
        made: Mapping[str, str],
        monitoring: Monitoring,
        secrets: Mapping[str, pulumi.Output[str]],
    ) -> GrafanaArgs:
        site = self._config.site
        return GrafanaArgs(
            naming=self._naming,
            site=shown,
            dashboards=made,
            prometheus_url=monitoring.url,
            prometheus=edge_to_url(monitoring.url),
            credentials=secret_data(site.monitoring, secrets),
            password=secrets[shown.password_secret],
            image=self._image(site.images.grafana or versions.GRAFANA_IMAGE),
        )

    def _metrics_login(
        self, monitoring: Monitoring, secrets: Mapping[str, pulumi.Output[str]], after: list[pulumi.Resource]
    ) -> MetricsLogin | None:
        """Make the way in to the stack's own Prometheus, if the site has one."""
        site = self._config.site
        if not isinstance(site.monitoring, OwnPrometheus) or site.monitoring.ingress is None:
            return None
        args = MetricsLoginArgs(
            naming=self._naming,
            ingress=site.monitoring.ingress,
            placement=site.monitoring,
            users=secrets[site.monitoring.ingress.users_secret],
            prometheus_url=monitoring.url,
            prometheus_peer=self._prometheus_peer(),
            image=self._image(site.images.envoy or versions.ENVOY_IMAGE),
        )
        return MetricsLogin(self.child("metrics-login"), args, self.options(depends_on=after))

    def _stack_facts(self, pools: Sequence[ServerPool], triggers: Mapping[str, Sequence[Trigger]]) -> StackFacts:
        return StackFacts(
            instance=self._config.name,
            namespace=self._config.namespace,
            pools=tuple(pools),
            envoys=self._envoy_pattern,
            triggers=triggers,
            clients=self._config.experiment.clients,
            agents=frozenset(agent.virtual_node for agent in self._agents(pools)),
        )

    @property
    def _envoy_pattern(self) -> str:
        """Regular expression of the whole names of the Envoys."""
        return deployment_pod_pattern(self._naming.name("envoy"))

    def _image(self, image: str) -> str:
        return mirrored(image, self._config.site.images.mirrors)

    def _rollout(self, parts: Sequence[Pool | EnvoyProxy | Monitoring | Grafana | MetricsLogin]) -> None:
        """Wait for the pods that this update promises; nobody waits for manifests that are only rendered."""
        if self._hooks is None:
            return
        promised = [part.rolled_out for part in parts]
        args = RolloutArgs(
            name=self._naming.name("rollout"),
            namespace=self._config.namespace,
            labels=self._naming.labels("rollout"),
            deployments=[each for each in promised if each is not None],
            hooks=self._hooks,
        )
        Rollout(self.child("rollout"), args, self.options(depends_on=list(parts)))

    def _prometheus_peer(self) -> Mapping[str, Any]:
        """Return the reader of metrics: the stack's own Prometheus, or the namespace of the site's if that is known."""
        monitoring = self._config.site.monitoring
        if isinstance(monitoring, OwnPrometheus):
            return pods(self._naming.labels("prometheus").selector)
        return IN_CLUSTER if monitoring.namespace is None else namespace_pods(monitoring.namespace)


def _distinct(targets: Sequence[MetricTarget]) -> tuple[MetricTarget, ...]:
    """Return each target once: the pools of one namespace have their servers' in common."""
    return tuple(target for index, target in enumerate(targets) if target not in targets[:index])


def _web_pages(config: StackConfig) -> Mapping[str, str]:
    """Return the address of each page for people, by the program that shows it."""
    return {page.title.lower(): page.ingress.url for page in config.site.web_pages}


def _siteconf(endpoint: ClientEndpoint) -> Mapping[str, pulumi.Output[str]]:
    """Return the address as CMSSW's site configuration spells it."""
    host_and_port = endpoint.grpc_endpoint.apply(lambda address: address.rpartition(":"))
    return {
        "SONIC_LOCAL_BALANCER_HOST": host_and_port.apply(lambda parts: parts[0]),
        "SONIC_LOCAL_BALANCER_PORT": host_and_port.apply(lambda parts: parts[2]),
    }


def namespace_labels(config: StackConfig) -> Mapping[str, str]:
    """Return labels that enforce, warn of and audit the site's Pod Security Standard."""
    level = config.site.security.pod_security
    standard = {f"pod-security.kubernetes.io/{mode}": str(level) for mode in ("enforce", "warn", "audit")}
    return {**instance_selector(config.name), **INFORMATION, **standard}
