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
| `model:sonic_busy_hours:1h`        | h    | time of a request in the backend (µs) x executions / requests / 3.6e9   |
| `model:sonic_gpu_hours:1h`         | h    | the pool's x the model's part of the busy hours of its pool             |
| `model:sonic_energy_kwh:1h`        | kWh  | the same                                                                |
| `experiment:…`                     |      | the sum over the pools of the stack                                     |

- `nv_inference_compute_infer_duration_us` grows by the whole execution for every request of a batch. Times executions
  per request it is the time of the executions.
- Triton counts an ensemble beside its steps, so an ensemble takes a part of the hours that its steps should have.
- Hours of a pool without a request belong to no model, and their energy neither.
- The agent counts from look to look. Time during which it was away is missing.
"""

from collections.abc import Iterator

from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.rule import Rule, record, selector
from components.queries import servers
from components.server_pool import ServerPool

INTERVAL_SECONDS = 60
"""Period of the accounts. Sums over time are multiplied by it."""
_JOULES_PER_KWH = 3.6e6
_MICROSECONDS_PER_HOUR = 3.6e9


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
        yield of_pool("pool:sonic_gpus:count", f"count(count by (gpu_uuid) (nv_gpu_utilization{servers(pool)}))")
        yield of_pool(
            "pool:sonic_gpu_hours:1h", f"sum_over_time(pool:sonic_gpus:count{own}[1h]) * {INTERVAL_SECONDS} / 3600"
        )
    yield of_pool(
        "pool:sonic_power_watts:rate5m", f"sum(max by (gpu_uuid) (rate(nv_energy_consumption{servers(pool)}[5m])))"
    )
    yield of_pool(
        "pool:sonic_energy_kwh:1h",
        f"sum_over_time(pool:sonic_power_watts:rate5m{own}[1h]) * {INTERVAL_SECONDS} / {_JOULES_PER_KWH:g}",
    )

    def grown(name: str) -> str:
        return f"max by (pod, model, version) (increase({name}{servers(pool)}[1h]))"

    yield of_pool(
        "model:sonic_busy_hours:1h",
        f"sum by (model) ({grown('nv_inference_compute_infer_duration_us')} * {grown('nv_inference_exec_count')} "
        f"/ ({grown('nv_inference_request_success')} > 0)) / {_MICROSECONDS_PER_HOUR:g}",
    )


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
