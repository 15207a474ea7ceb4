"""Arguments of a TritonPool, from a stack."""

from components.model_repository import MountedRepository
from components.naming import Naming
from components.network import pods
from components.timing import ServerTiming
from components.triton import TritonPoolArgs
from stacks.schema import StackConfig
from stacks.schema.pools import KubernetesPool

LOCAL = MountedRepository(repository_urls=("/models",))


def pool_args(config: StackConfig, *, repository: MountedRepository = LOCAL) -> TritonPoolArgs:
    """Return the arguments of the first pool of a stack, with mounted models."""
    share = config.pool_shares[0]
    assert isinstance(share.pool, KubernetesPool)
    naming = Naming(instance=config.name, namespace=config.namespace, ip_families=config.site.access.ip_families)
    return TritonPoolArgs(
        naming=naming,
        share=share,
        pool=share.pool,
        priority=0,
        server=config.experiment.server,
        image=config.experiment.server.image,
        data=config.site.storage.data,
        models=config.experiment.models,
        repository=repository,
        timing=ServerTiming.of(config.experiment.traffic, dns_ttl_seconds=config.site.dns_ttl_seconds),
        proxy_selector=naming.labels("envoy").selector,
        model_managers=config.site.model_control,
        prometheus_peer=pods(naming.labels("prometheus").selector),
    )
