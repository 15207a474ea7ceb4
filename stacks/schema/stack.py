"""A stack: one site and one experiment, with the rules that span both."""

from typing import NamedTuple, Self

from pydantic import model_validator

from stacks.schema.base import DnsLabel, Model
from stacks.schema.experiment import (
    CvmfsRepository,
    Experiment,
    ImageRepository,
    S3Repository,
    VolumeRepository,
)
from stacks.schema.site import InterLinkPool, KubernetesPool, Pool, Site


class PoolShare(NamedTuple):
    """What one pool carries of a stack."""

    pool: KubernetesPool
    """The pool."""
    servers_min: int
    """Servers that always stand in it."""
    servers_max: int
    """Servers at most in it."""
    gpu_products: tuple[str, ...]
    """GPU products to ask the scheduler for; empty: any of the pool."""

    @property
    def autoscaled(self) -> bool:
        """Whether the number of servers is KEDA's to choose."""
        return self.servers_max > self.servers_min


class StackConfig(Model):
    """One site, one experiment, and what follows from the two together."""

    stack: str
    """Name of the Pulumi stack."""
    site_name: DnsLabel
    """Name of the site: its file's name."""
    experiment_name: DnsLabel
    """Name of the experiment: its file's name."""
    site: Site
    """Facts of the place."""
    experiment: Experiment
    """Facts of the collaboration."""

    @property
    def name(self) -> str:
        """Prefix of the names of everything that the stack makes."""
        return f"sonic-{self.experiment_name}"

    @property
    def namespace(self) -> str:
        """Namespace that the stack stands in."""
        return self.for_experiment(self.site.access.namespace)

    @property
    def owns_singletons(self) -> bool:
        """Whether this stack is the one that sets what the cluster has only once."""
        return self.site.singletons_owner == self.stack

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Pulumi secrets that the stack needs, sorted."""
        s3 = self.site.storage.s3
        if s3 is None or not isinstance(self.experiment.models.repository, S3Repository):
            return ()
        return tuple(sorted({s3.access_key_secret, s3.secret_key_secret}))

    @property
    def pool_shares(self) -> tuple[PoolShare, ...]:
        """The pools that carry the stack, in order of preference, with their share of its servers.

        Every pool in use keeps one server; what servers_min asks beyond that, and what servers_max
        allows, is given to the first pools first.
        """
        pools = self._usable_pools()
        scaling = self.experiment.scaling
        spare_min = scaling.servers_min - len(pools)
        spare_max = scaling.servers_max - len(pools)
        shares = []
        for pool in pools:
            room = pool.servers_max - 1
            more_min, more_max = min(spare_min, room), min(spare_max, room)
            spare_min, spare_max = spare_min - more_min, spare_max - more_max
            products = self._common_products(pool)
            shares.append(PoolShare(pool, 1 + more_min, 1 + more_max, products))
        return tuple(shares)

    def for_experiment(self, template: str) -> str:
        """Put the experiment's name where a site's fact says `{experiment}`."""
        return template.replace("{experiment}", self.experiment_name)

    def _common_products(self, pool: Pool) -> tuple[str, ...]:
        offered = pool.gpu.products if pool.gpu else ()
        wanted = self.experiment.server.gpu_products
        if not wanted or not offered:
            return wanted or offered
        return tuple(product for product in offered if product in wanted)

    def _fits(self, pool: Pool) -> bool:
        if self.experiment.server.gpus == 0:
            return True
        return pool.gpu is not None and (
            bool(self._common_products(pool)) or not (self.experiment.server.gpu_products and pool.gpu.products)
        )

    def _usable_pools(self) -> tuple[KubernetesPool, ...]:
        return tuple(p for p in self.site.pools if isinstance(p, KubernetesPool) and self._fits(p))

    @model_validator(mode="after")
    def _some_pool_fits(self) -> Self:
        for pool in self.site.pools:
            if isinstance(pool, InterLinkPool) and self._fits(pool):
                msg = (
                    f"site.pools: pool `{pool.name}` is of kind `interlink`, which no component deploys yet: "
                    "take it out of the site's pools"
                )
                raise ValueError(msg)
        if not self._usable_pools():
            server = self.experiment.server
            wanted = f"{server.gpus} GPU(s) of {', '.join(server.gpu_products) or 'any product'}"
            offered = "; ".join(
                f"`{p.name}` offers {'no GPU' if p.gpu is None else ', '.join(p.gpu.products) or 'any GPU'}"
                for p in self.site.pools
            )
            msg = (
                f"experiment.server asks for {wanted}, but no pool of site `{self.site_name}` has them ({offered}): "
                "change experiment.server.gpu_products or add a pool"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _servers_fit_the_pools(self) -> Self:
        pools, scaling = self._usable_pools(), self.experiment.scaling
        capacity = sum(pool.servers_max for pool in pools)
        if scaling.servers_max > capacity:
            msg = (
                f"experiment.scaling.servers_max is {scaling.servers_max} but the pools of site `{self.site_name}` "
                f"hold {capacity}: lower the first or raise site.pools[].servers_max"
            )
            raise ValueError(msg)
        if scaling.servers_min < len(pools):
            msg = (
                f"experiment.scaling.servers_min is {scaling.servers_min} but {len(pools)} pools are in use and each "
                f"keeps one server: raise it to {len(pools)}"
            )
            raise ValueError(msg)
        if self.site.keda is None and scaling.servers_max != scaling.servers_min:
            msg = (
                f"experiment.scaling asks for {scaling.servers_min} to {scaling.servers_max} servers but site "
                f"`{self.site_name}` has no KEDA: set servers_min and servers_max to one number, or site.keda"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _repository_can_be_reached(self) -> Self:
        repository, storage = self.experiment.models.repository, self.site.storage
        missing = {
            CvmfsRepository: ("cvmfs", storage.cvmfs),
            VolumeRepository: ("volume", storage.volume),
            S3Repository: ("s3", storage.s3),
            ImageRepository: ("", ""),
        }[type(repository)]
        key, fact = missing
        if fact is None:
            msg = (
                f"experiment.models.repository.kind is `{repository.kind}` but site `{self.site_name}` says nothing "
                f"of it: add site.storage.{key}"
            )
            raise ValueError(msg)
        return self
