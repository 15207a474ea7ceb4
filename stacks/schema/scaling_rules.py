"""Rules on the number of servers: what the pools of a site hold, and what KEDA can scale."""

from collections.abc import Iterator, Sequence

from stacks.schema.base import BrokenRule
from stacks.schema.experiment import Scaling
from stacks.schema.pools import InterLinkPool, Pool
from stacks.schema.site import Site


def broken_scaling_rules(
    site_name: str, site: Site, scaling: Scaling, pools: Sequence[Pool], *, scaled: Sequence[str]
) -> Iterator[BrokenRule]:
    """Yield each rule that a stack's numbers of servers break.

    Args:
        site_name: name of the site.
        site: the site.
        scaling: the experiment's numbers.
        pools: pools that the stack uses.
        scaled: names of those that KEDA scales.
    """
    if not pools:
        return
    yield from _broken_range(site_name, site, scaling, pools)
    if scaling.servers_min == 0:
        yield from _broken_zero(site_name, site, scaling, pools)
    if scaling.query is not None and len(scaled) > 1 and "{pods}" not in scaling.query:
        yield BrokenRule(
            f"experiment.scaling.query is the same for the pools {', '.join(scaled)}, and each would start servers "
            'for the load of all: restrict it to a pool by pod=~"{pods}"',
            ("experiment.scaling.query", "site.pools"),
        )


def _broken_range(site_name: str, site: Site, scaling: Scaling, pools: Sequence[Pool]) -> Iterator[BrokenRule]:
    capacity = sum(pool.servers_max for pool in pools)
    if scaling.servers_max > capacity:
        unfit = [f"`{pool.name}`" for pool in site.pools if pool not in pools]
        without = f" without {', '.join(unfit)} (other GPUs than experiment.server asks for, or none)" if unfit else ""
        yield BrokenRule(
            f"experiment.scaling.servers_max is {scaling.servers_max} but the pools of site `{site_name}` "
            f"that it can use hold {capacity}{without}: lower the first or raise site.pools[].servers_max",
            ("experiment.scaling.servers_max", "site.pools", *(["experiment.server.gpu_products"] if unfit else [])),
        )
    if 0 < scaling.servers_min < len(pools):
        yield BrokenRule(
            f"experiment.scaling.servers_min is {scaling.servers_min} but {len(pools)} pools of site "
            f"`{site_name}` are in use and each keeps one server: raise it to {len(pools)}",
            ("experiment.scaling.servers_min", "site.pools"),
        )
    if site.keda is None and scaling.servers_max != scaling.servers_min:
        yield BrokenRule(
            f"experiment.scaling asks for {scaling.servers_min} to {scaling.servers_max} servers but site "
            f"`{site_name}` has no KEDA: set servers_min and servers_max to one number, or add site.keda",
            ("experiment.scaling.servers_max", "site.keda"),
        )


def _broken_zero(site_name: str, site: Site, scaling: Scaling, pools: Sequence[Pool]) -> Iterator[BrokenRule]:
    found = "experiment.scaling.servers_min is 0 but"
    if len(pools) > 1:
        names = ", ".join(pool.name for pool in pools)
        yield BrokenRule(
            f"{found} the pools {names} of site `{site_name}` are in use, and the second would never start a "
            f"server: raise it to {len(pools)}",
            ("experiment.scaling.servers_min", "site.pools"),
        )
    elif isinstance(pools[0], InterLinkPool):
        yield BrokenRule(
            f"{found} pool `{pools[0].name}` is of Slurm jobs, and clients would be refused for a whole wait in its "
            "queue: raise it to 1",
            ("experiment.scaling.servers_min", "site.pools"),
        )
    elif site.keda is not None and not site.keda.scale_to_zero:
        yield BrokenRule(
            f"{found} site `{site_name}` does not allow it: raise it to 1, or set site.keda.scale_to_zero to true",
            ("experiment.scaling.servers_min", "site.keda"),
        )
    if scaling.query is not None:
        yield BrokenRule(
            f"{found} query replaces the load that starts the first server: remove query, or raise servers_min to 1",
            ("experiment.scaling.servers_min", "experiment.scaling.query"),
        )
