"""A stack, as its rules name it."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.server_pool import Queue, ServerPool
from stacks.schema.experiment import Scaling


@dataclass(frozen=True, kw_only=True)
class RuleFacts:
    """A stack, as its rules name it."""

    instance: str
    """Instance, such as `sonic-cms`."""
    experiment: str
    """Name of the experiment, which pays."""
    pools: tuple[ServerPool, ...]
    """Pools of the stack."""
    agents: frozenset[str]
    """Virtual nodes whose agent is scraped."""
    namespace: str
    """Namespace of the Envoys."""
    envoy_pattern: str
    """Regular expression (RE2) of the whole names of the Envoys."""
    models: tuple[str, ...]
    """Models that every server should have."""
    scaling: Scaling
    """Targets of the experiment."""
    tls: bool
    """True: Envoy shows clients a certificate."""
    tokens: bool
    """True: Envoy fetches the keys of issuers of tokens."""
    limited: bool
    """True: the experiment declares limits above which Envoy refuses calls, for all clients or by tenant."""

    @property
    def queued(self) -> tuple[tuple[ServerPool, Queue], ...]:
        """Pools whose queue is watched, each with its queue."""
        return tuple((pool, pool.queue) for pool in self.pools if pool.queue and pool.queue.virtual_node in self.agents)

    def labels(self, pool: ServerPool) -> Mapping[str, str]:
        """Return the labels of the recorded series of a pool."""
        return {"experiment": self.experiment, "sonic_instance": self.instance, "pool": pool.name}


def may_be_empty(pool: ServerPool) -> bool:
    """Return True if a pool without a server is no fault: KEDA removes its last one."""
    return pool.scale_target is not None and pool.scale_target.servers_min == 0
