"""Alerts on the servers of a pool: their health, their queue, their number and their scrape.

Envoy's view and Prometheus' are joined by the IP address, since neither has the other's labels.
"""

from collections.abc import Iterator

from components.monitoring.rules import rule
from components.monitoring.rules.facts import RuleFacts, may_be_empty
from components.monitoring.rules.load import endpoint_health
from components.monitoring.rules.proxy import most_healthy
from components.monitoring.rules.rule import Rule, envoys, selector
from components.queries import servers
from components.server_pool import ServerPool

_HEALTH_SECONDS = 120
"""Time without a healthy server, which a restart of a single one with small models may take."""
_QUEUE_SECONDS = 600
"""Time that an autoscaler with free GPUs has to end a queue, beside the time that a server waits in one."""
_RESTARTS_WINDOW_MINUTES = 30
_RESTARTS = 2
"""Restarts of one server within the window: one may be an update of a node."""


def pool_alerts(facts: RuleFacts) -> list[Rule]:
    """Return the alerts of all pools."""
    return [alert for pool in facts.pools for alert in _of_pool(facts, pool)]


def _of_pool(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_seconds: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "pool": pool.name}
        return rule.alert(name, expression, for_seconds=for_seconds, summary=summary, labels=labels)

    own = selector(sonic_instance=facts.instance, pool=pool.name)
    start_seconds = pool.queue.wait_seconds + pool.queue.start_seconds if pool.queue else 0
    read = f"max by (pod, ip) ({_by_ip(f'up{servers(pool)} == 1', 'instance')})"
    healthy = f"max by (ip) ({_by_ip(f'{endpoint_health(facts, pool)} == 1', 'envoy_endpoint_address')})"

    if len(facts.pools) > 1 and not may_be_empty(pool):
        yield alert(
            "SonicPoolWithoutServers",
            f"pool:sonic_healthy_servers:max{own} == 0 unless on () (max({most_healthy(facts)}) == 0)",
            start_seconds or _HEALTH_SECONDS,
            f"pool {pool.name} has no healthy server: the other pools serve",
        )
    yield alert(
        "SonicServerNotReady",
        f"{read} unless on (ip) {healthy} and on () (max(up{envoys(facts)} == 1))",
        # A server that stops answers Prometheus until it ends.
        pool.timing.grace_seconds + 300,
        f"server {{{{ $labels.pod }}}} of pool {pool.name} runs, and no Envoy sends it requests",
    )
    for name, expression, summary in _long_queues(facts, pool):
        yield alert(name, expression, _QUEUE_SECONDS + start_seconds, summary)
    yield alert(
        "SonicScrapeLost",
        f"count({healthy} unless on (ip) {read}) > 0",
        300,
        f"Prometheus does not read {{{{ $value }}}} servers of pool {pool.name} that serve requests: the autoscaler "
        "does not count their load",
    )
    yield alert(
        "SonicServerRestarts",
        f"max by (pod) (changes(up{servers(pool)}[{_RESTARTS_WINDOW_MINUTES}m])) >= {2 * _RESTARTS}",
        0,
        f"server {{{{ $labels.pod }}}} of pool {pool.name} has restarted {_RESTARTS} times in "
        f"{_RESTARTS_WINDOW_MINUTES} minutes",
    )


def _long_queues(facts: RuleFacts, pool: ServerPool) -> Iterator[tuple[str, str, str]]:
    """Yield name, expression and summary of the alerts on a wait above the target.

    There is one for a pool that can grow and does not, and one for a pool that is as large as it may be.
    """
    own = selector(sonic_instance=facts.instance, pool=pool.name)
    target_seconds = facts.scaling.queue_target_ms / 1000
    long = f"pool:sonic_waiting_seconds:sum{own} / pool:sonic_servers:count{own} > {target_seconds:g}"
    waits = f"requests wait {{{{ $value | humanizeDuration }}}} in pool {pool.name}, the target is {target_seconds:g} s"
    if pool.scale_target is None:
        yield "SonicQueueLong", long, f"{waits}, and its number of servers is fixed"
        return
    servers_max = pool.scale_target.servers_max
    count = f"pool:sonic_servers:count{own}"
    yield "SonicQueueLong", f"{long} and {count} < {servers_max}", f"{waits}, and the autoscaler adds no server"
    yield "SonicServersAtMax", f"{long} and {count} >= {servers_max}", f"{waits}, and it has all {servers_max} servers"


def _by_ip(expression: str, address_label: str) -> str:
    """Return the series with the label `ip`, from a label with an address and a port."""
    return f'label_replace({expression}, "ip", "$1", "{address_label}", "(.*):[0-9]+")'
