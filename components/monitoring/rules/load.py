"""Recorded load: requests and times of each model, and the work and the servers of each pool.

| series                             | unit | formula                                                                 |
|------------------------------------|------|-------------------------------------------------------------------------|
| `model:sonic_service_seconds:rate5m` | s  | executions in progress / requests per second                            |
| `model:sonic_requests:rate1m`      | 1/s  | requests that succeed                                                   |
| `model:sonic_failed_requests:rate1m` | 1/s | requests that fail, by Triton's `reason`                               |
| `model:sonic_queue_seconds:rate1m` | s    | mean wait in Triton's queue                                             |
| `model:sonic_compute_seconds:rate1m` | s  | mean time of input, inference and output of a request                   |
| `pool:sonic_pending_requests:sum`  |      | requests that wait for execution                                        |
| `pool:sonic_waiting_seconds:sum`   | s    | time that one server would need for them                                |
| `pool:sonic_busy_servers:sum`      |      | servers that execute, as a sum of fractions                             |
| `pool:sonic_servers:count`         |      | servers that answer Prometheus                                          |
| `pool:sonic_healthy_servers:max`   |      | servers that get requests, in the view of the Envoy that has most       |

Each request of a batch adds the time of the whole batch to `nv_inference_compute_*_duration_us`. Times executions per
request it is the time of the executions, each counted once. A model without a request in the window has no times.
"""

from collections.abc import Iterator

from components import queries
from components.envoy.cluster import CLUSTER
from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.rule import Rule, envoys, record
from components.queries import servers
from components.server_pool import ServerPool

INTERVAL_SECONDS = 15
"""Period of the records: that of the HPA's decisions."""


def records(facts: RuleFacts) -> list[Rule]:
    """Return the records."""
    return [rule for pool in facts.pools for of in (_of_models, _of_pool) for rule in of(facts, pool)]


def _of_models(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    def of_model(name: str, expression: str) -> Rule:
        return record(f"model:sonic_{name}", expression, **facts.labels(pool))

    def rate(counter: str, *further: str) -> str:
        return queries.rate(counter, pool, "1m", *further)

    def per_request(microseconds: str) -> str:
        return f"sum by (model) ({microseconds}) / (sum by (model) ({rate('request_success')}) > 0) / 1e6"

    yield of_model("service_seconds:rate5m", queries.service_seconds(pool, "5m"))
    yield of_model("requests:rate1m", f"sum by (model) ({rate('request_success')})")
    yield of_model("failed_requests:rate1m", f"sum by (model, reason) ({rate('request_failure', 'reason')})")
    yield of_model("queue_seconds:rate1m", per_request(rate("queue_duration_us")))
    yield of_model("compute_seconds:rate1m", per_request(queries.computing(servers(pool), "1m")))


def _of_pool(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    def of_pool(name: str, expression: str) -> Rule:
        return record(f"pool:sonic_{name}", expression, **facts.labels(pool))

    scaling = facts.scaling
    yield of_pool("pending_requests:sum", queries.pending_requests(pool))
    waiting = queries.waiting_work_ms(pool, service_time_ms=scaling.service_time_ms)
    yield of_pool("waiting_seconds:sum", f"{waiting} / 1e3")
    busy = queries.busy_servers(pool, executions_per_server=scaling.executions_per_server)
    yield of_pool("busy_servers:sum", busy)
    yield of_pool("servers:count", f"count(count by (pod) (up{servers(pool)} == 1)) or vector(0)")
    healthy = f"max by (pod, envoy_endpoint_address) ({endpoint_health(facts, pool)})"
    yield of_pool("healthy_servers:max", f"max(sum by (pod) ({healthy})) or max(up{envoys(facts)} == 1) * 0")


def endpoint_health(facts: RuleFacts, pool: ServerPool) -> str:
    """Return the selector of Envoy's view of each server of a pool: 1 if it gets requests, 0 if not.

    The Envoys tell the pools of servers apart by the host name behind which they found them.
    """
    matchers = (f'envoy_cluster_name="{CLUSTER}"', f'envoy_endpoint_hostname="{pool.host}"')
    return f"envoy_cluster_endpoint_healthy{envoys(facts, *matchers)}"
