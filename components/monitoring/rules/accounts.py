"""Accounts: GPU hours, queue hours and energy by pool, model and experiment.

All series with the suffix `1h` say how much there was in the hour before; their sum over days is
`sum_over_time(pool:sonic_gpu_hours:1h[7d:1h])`.

| series                             | unit | formula                                                                 |
|------------------------------------|------|-------------------------------------------------------------------------|
| `pool:sonic_gpu_hours:1h`          | h    | Slurm with an agent: GPUs of the running jobs x time, as allocated.     |
|                                    |      | Otherwise: GPUs that servers report, once a minute, each GPU once       |
| `pool:sonic_queue_hours:1h`        | h    | waiting jobs x time                                                     |
| `pool:sonic_power_watts:rate5m`    | W    | rate of `nv_energy_consumption` (J), each GPU once                      |
| `pool:sonic_energy_kwh:1h`         | kWh  | the sum of that once a minute x 60 s / 3.6e6                            |
| `model:sonic_busy_hours:1h`        | h    | time of the executions, a batch once (`components.queries.executing`)   |
| `model:sonic_gpu_hours:1h`         | h    | the pool's x the model's part of the busy hours of its pool             |
| `model:sonic_energy_kwh:1h`        | kWh  | the same                                                                |
| `experiment:…`                     |      | the sum over the pools of the stack                                     |

- Triton counts an ensemble beside its steps, so an ensemble takes a part of the hours that its steps should have.
- Hours of a pool without a request belong to no model, and their energy neither.
- The agent counts from look to look. Time during which it was away is missing.
"""

from collections.abc import Iterator

from components import queries
from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.rule import Rule, record, selector
from components.queries import servers
from components.server_pool import ServerPool

INTERVAL_SECONDS = 60
"""Period of the accounts. Sums over time are multiplied by it."""


def records(facts: RuleFacts) -> list[Rule]:
    """Return the records, in the order in which each reads those before it."""
    return [*(rule for pool in facts.pools for rule in _of_pool(facts, pool)), *_of_all(facts)]


def _of_pool(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    """Yield the records of one pool."""

    def of_pool(name: str, expression: str) -> Rule:
        return record(name, expression, **facts.labels(pool))

    own = selector(sonic_instance=facts.instance, pool=pool.name)
    if any(pool is queued for queued, _ in facts.queued):
        for name, counter in (("gpu", "sonic_slurm_gpu_seconds_total"), ("queue", "sonic_slurm_queue_seconds_total")):
            yield of_pool(f"pool:sonic_{name}_hours:1h", f"max(increase({counter}{own}[1h])) / 3600")
    else:
        yield of_pool("pool:sonic_gpus:count", queries.gpus(servers(pool)))
        counted = f"sum_over_time(pool:sonic_gpus:count{own}[1h])"
        yield of_pool("pool:sonic_gpu_hours:1h", queries.hours(counted, INTERVAL_SECONDS))
    yield of_pool("pool:sonic_power_watts:rate5m", queries.gpu_watts(servers(pool)))
    watts = f"sum_over_time(pool:sonic_power_watts:rate5m{own}[1h])"
    yield of_pool("pool:sonic_energy_kwh:1h", queries.kilowatt_hours(watts, INTERVAL_SECONDS))
    busy = queries.executing(servers(pool), "1h", "increase")
    yield of_pool("model:sonic_busy_hours:1h", f"sum by (model) ({busy}) / 3600")


def _of_all(facts: RuleFacts) -> Iterator[Rule]:
    own = selector(sonic_instance=facts.instance)
    busy, pools = f"model:sonic_busy_hours:1h{own}", "(sonic_instance, pool)"
    for quantity in ("gpu_hours", "energy_kwh"):
        part = f"{busy} / on {pools} group_left () (sum by {pools} ({busy}) > 0)"
        of_pool = f"pool:sonic_{quantity}:1h{own}"
        yield record(f"model:sonic_{quantity}:1h", f"{part} * on {pools} group_left () {of_pool}")
    for quantity in ("gpu_hours", "queue_hours", "energy_kwh"):
        yield record(
            f"experiment:sonic_{quantity}:1h",
            f"sum by (experiment, sonic_instance) (pool:sonic_{quantity}:1h{own})",
        )
