"""Question on the virtual nodes of the stack's pools: whether interLink answers them, and what they offer."""

from collections.abc import Iterator, Mapping

from access.cluster import NODES, ClusterView, Object
from fit.demand import Demand
from fit.quantity import quantity, written
from fit.row import Finding, misfit, ok
from stacks.schema.pools import InterLinkPool
from stacks.schema.remote_apis import RemoteApi
from stacks.schema.virtual_nodes import VirtualNode

_CONNECTED = "InterlinkConnectivity"


def virtual_nodes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Look at each node that is there. One that is not, and that the stack does not make, has no labels to match."""
    site = demand.config.site
    pools = [share.pool for share in demand.config.pool_shares]
    used = {pool.virtual_node for pool in pools if isinstance(pool, InterLinkPool)}
    there = {found["metadata"]["name"]: found for found in cluster.list(NODES)} if used else {}
    for node in site.virtual_nodes:
        if node.name in used & there.keys():
            yield _connection(node, there[node.name]) or _capacity(demand, node, there[node.name])


def _connection(node: VirtualNode, found: Object) -> Finding | None:
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", ())}
    connected = conditions.get(_CONNECTED, {"status": "True"})
    if connected["status"] == "True":
        return None
    where = f"at {node.api.url}" if isinstance(node.api, RemoteApi) else "in the virtual kubelet's pod"
    return misfit(
        f"node `{node.name}` does not reach interLink's API {where} ({connected.get('reason', 'no reason given')}), so "
        "that no job starts: see step 7 of docs/install-edge.md"
    )


def _capacity(demand: Demand, node: VirtualNode, found: Object) -> Finding:
    """Compare what the node offers with its capacity.

    Without `resources.sh` the plugin answers each ping with what is free in Slurm. Ten running jobs of one core made
    118 of 128 cores of it, from which the scheduler subtracts the pods of these jobs once more.
    """
    offered: Mapping[str, str] = found["status"]["allocatable"]
    capacity = {"cpu": str(node.capacity.cpu_cores), "memory": f"{node.capacity.memory_gib}Gi"}
    other = [
        f"{resource} {written(resource, quantity(offered.get(resource, '0')))} of {most}"
        for resource, most in capacity.items()
        if quantity(offered.get(resource, "0")) != quantity(most)
    ]
    # The stack itself brings the script where the plugin is in its pod.
    if other and isinstance(node.api, RemoteApi):
        where = demand.at("site", "virtual_nodes", demand.config.site.virtual_nodes.index(node), "capacity")
        return misfit(
            f"node `{node.name}` offers {' and '.join(other)} at {where}: its plugin reports what is free, of which "
            "running jobs are subtracted twice, or an older capacity: install `resources.sh` of "
            "`python -m stacks edge` again, or correct the capacity"
        )
    return ok(f"`{node.name}` reaches interLink's API, and offers its whole capacity")
