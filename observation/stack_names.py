"""Names by which the pods, objects and series of a stack are found."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from components import names
from components.pod import deployment_pod_pattern
from components.triton.slurm_pool import tunnel_pod_pattern
from stacks.schema import StackConfig
from stacks.schema.pools import InterLinkPool
from stacks.schema.site import ExternalPrometheus

_SLOWEST_SCRAPE_SECONDS = 30
"""Scrape interval of a Prometheus that does not tell it: no site in use has a longer one."""
_HPA_PREFIX = "keda-hpa-"
"""KEDA's name of a HorizontalPodAutoscaler is this and the ScaledObject's."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One capacity pool."""

    name: str
    """Name, as the site's file spells it."""
    deployment: str
    """Name of its Deployment, and of its ScaledObject if it has one."""
    pod_pattern: str
    """Regular expression of the whole names of the pods whose metrics are the servers'."""
    servers_min: int
    """Fewest servers."""
    servers_max: int
    """Most servers."""
    autoscaled: bool
    """KEDA sets the number of servers."""


@dataclass(frozen=True, kw_only=True)
class StackNames:
    """One stack."""

    stack: str
    """Name of the stack."""
    instance: str
    """Label `app.kubernetes.io/instance`."""
    namespace: str
    """Namespace."""
    pools: tuple[Pool, ...]
    """Pools in the order in which Envoy prefers them."""
    envoys: str
    """Regular expression of the whole names of Envoy's pods."""
    scrape_seconds: int
    """Time between scrapes."""
    pages: Mapping[str, str]
    """Program with a page for people -> its address."""

    @classmethod
    def of(cls, config: StackConfig) -> Self:
        """Return the names of a stack."""
        return cls(
            stack=config.stack,
            instance=config.name,
            namespace=config.namespace,
            pools=tuple(_pools(config)),
            envoys=deployment_pod_pattern(names.join(config.name, "envoy")),
            scrape_seconds=_scrape_seconds(config),
            pages={page.title: page.ingress.url for page in config.site.web_pages},
        )

    @property
    def rate_seconds(self) -> int:
        """Shortest window of a rate: four scrapes, of which one may be lost."""
        return 4 * self.scrape_seconds

    @property
    def servers(self) -> str:
        """Regular expression of the whole names of the pods whose metrics are servers'."""
        return "|".join(pool.pod_pattern for pool in self.pools)

    def pool_of(self, pod: str) -> str:
        """Return the pool of a pod with metrics of a server; empty: it is none of this stack."""
        return next((pool.name for pool in self.pools if re.fullmatch(pool.pod_pattern, pod)), "")

    def has(self, name: str) -> bool:
        """Return True if an object that an event is about belongs to the stack, by its name."""
        parts = ("envoy", "prometheus", "metrics-login", "grafana")
        deployments = [*(names.join(self.instance, part) for part in parts), *(pool.deployment for pool in self.pools)]
        if name.removeprefix(_HPA_PREFIX) in deployments:
            return True
        # A ReplicaSet is called as its pods are, without their last five characters.
        return bool(self.pool_of(name)) or any(re.fullmatch(deployment_pod_pattern(each), name) for each in deployments)


def _scrape_seconds(config: StackConfig) -> int:
    monitoring = config.site.monitoring
    return _SLOWEST_SCRAPE_SECONDS if isinstance(monitoring, ExternalPrometheus) else monitoring.scrape_interval_seconds


def _pools(config: StackConfig) -> Iterator[Pool]:
    for share in config.pool_shares:
        deployment = names.join(config.name, "triton", share.pool.name)
        of_jobs = isinstance(share.pool, InterLinkPool)
        yield Pool(
            name=share.pool.name,
            deployment=deployment,
            pod_pattern=tunnel_pod_pattern(deployment, config.namespace)
            if of_jobs
            else deployment_pod_pattern(deployment),
            servers_min=share.servers_min,
            servers_max=share.servers_max,
            autoscaled=share.autoscaled,
        )
