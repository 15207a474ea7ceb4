"""A stack as its dashboard sees it: where its series are, and what its autoscaler compares."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.autoscaling import Trigger
from components.dashboards.families import Family
from components.envoy.refusals import OF_CLIENTS, TO_SERVERS
from components.server_pool import ServerPool
from stacks.schema.clients import OTHERS, Clients, NetworkClients, tenants_of


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """One stack."""

    instance: str
    """Instance, such as `sonic-cms`."""
    namespace: str
    """Namespace of the stack."""
    pools: tuple[ServerPool, ...]
    """Pools, in order of preference."""
    envoys: str
    """Regular expression (RE2) of the whole names of the Envoys."""
    triggers: Mapping[str, Sequence[Trigger]] = field(default_factory=dict)
    """Pool -> loads by which it is scaled; a pool of a fixed number of servers is not in it."""
    clients: Clients = field(default_factory=lambda: NetworkClients(kind="network"))
    """Way in which clients show who they are."""
    agents: frozenset[str] = frozenset()
    """Virtual nodes whose agent is scraped."""

    @property
    def uid(self) -> str:
        """Identity of the dashboard, which no other stack of the cluster has."""
        return f"sonic-{hashlib.sha256(f'{self.namespace}/{self.instance}'.encode()).hexdigest()[:16]}"

    @property
    def tenants(self) -> tuple[str, ...]:
        """Tenants that Envoy counts apart; empty: none."""
        tenants = tenants_of(self.clients)
        return (*(tenant.name for tenant in tenants), OTHERS) if tenants else ()

    @property
    def models(self) -> Family:
        """Triton's series of each model."""
        return models_of(self.pools)

    @property
    def failures(self) -> Family:
        """Triton's failed requests of each model and reason."""
        return Family(selector=servers_of(self.pools), labels=("pod", "model", "version", "reason"))

    @property
    def gpus(self) -> Family:
        """Triton's series of each GPU, once for each server that uses it."""
        return Family(selector=servers_of(self.pools), labels=("pod", "gpu_uuid"))

    @property
    def downstream(self) -> Family:
        """Envoy's series of all calls and connections of clients."""
        return Family(selector=f"{self._proxies},{OF_CLIENTS}", labels=("pod",))

    @property
    def proxies(self) -> Family:
        """Envoy's series of a whole proxy."""
        return Family(selector=self._proxies, labels=("pod",))

    @property
    def upstream(self) -> Family:
        """Envoy's series of its calls to servers."""
        return Family(selector=f"{self._proxies},{TO_SERVERS}", labels=("pod", "envoy_cluster_name"))

    @property
    def calls(self) -> Family:
        """Envoy's calls by method and gRPC status."""
        labels = ("pod", "envoy_cluster_name", "grpc_method", "grpc_status")
        return Family(selector=f"{self._proxies},{TO_SERVERS}", labels=labels)

    @property
    def routes(self) -> Family:
        """Envoy's answers by tenant and status."""
        return Family(selector=self._proxies, labels=("pod", "envoy_route", "envoy_response_code"))

    @property
    def _proxies(self) -> str:
        return f'namespace="{self.namespace}",pod=~"{self.envoys}"'


def servers_of(pools: Sequence[ServerPool]) -> str:
    """Return the matchers of the series of the pools' servers, by the labels that `components.queries` names."""
    namespaces = list(dict.fromkeys(pool.metrics.namespace for pool in pools))
    return f'namespace=~"{"|".join(namespaces)}",pod=~"{"|".join(pool.pod_pattern for pool in pools)}"'


def models_of(pools: Sequence[ServerPool]) -> Family:
    """Return Triton's series of each model in the pools' servers."""
    return Family(selector=servers_of(pools), labels=("pod", "model", "version"))
