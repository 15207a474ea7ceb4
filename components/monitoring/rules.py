"""Recording rules and alerts of a stack, as Prometheus' rule groups.

The same groups are in the configuration of a Prometheus of the stack's own and in a PrometheusRule for the operator's.
Each alert has a section in docs/runbook.md, named as the alert is.

Several stacks may have one agent scraped into one Prometheus, and two jobs may scrape one server. So `max by` comes
before each sum.

Accounts. All series with the suffix `1h` say how much there was in the hour before; their sum over days is
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
from dataclasses import dataclass
from typing import Any

from components.server_pool import Queue, ServerPool

RUNBOOK = "docs/runbook.md"
INTERVAL_SECONDS = 60
"""Period of the accounts. Sums over time are multiplied by it."""
_JOULES_PER_KWH = 3.6e6
_MICROSECONDS_PER_HOUR = 3.6e9

Rule = dict[str, Any]
"""A recording rule or an alert as Prometheus reads it."""


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

    @property
    def queued(self) -> tuple[tuple[ServerPool, Queue], ...]:
        """Pools whose queue is watched, each with its queue."""
        return tuple((pool, pool.queue) for pool in self.pools if pool.queue and pool.queue.virtual_node in self.agents)


def groups(facts: RuleFacts) -> list[dict[str, Any]]:
    """Return the rule groups of a stack."""
    alerts = [*_of_nodes(facts), *(alert for pool, queue in facts.queued for alert in _of_queue(facts, pool, queue))]
    return [
        *([{"name": f"{facts.instance}-slurm", "rules": alerts}] if alerts else []),
        {
            "name": f"{facts.instance}-accounts",
            "interval": f"{INTERVAL_SECONDS}s",
            "rules": [
                *(rule for pool in facts.pools for rule in _accounts(facts, pool)),
                *_accounts_of_all(facts),
            ],
        },
    ]


def _of_nodes(facts: RuleFacts) -> Iterator[Rule]:
    for node in sorted({queue.virtual_node for _, queue in facts.queued}):
        yield from _of_node(facts, node)


def _of_node(facts: RuleFacts, node: str) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_minutes: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "virtual_node": node}
        return _alert(name, expression, for_seconds=for_minutes * 60, summary=summary, labels=labels)

    def series(name: str, **labels: str) -> str:
        return f"max by (virtual_node) ({name}{_selector(virtual_node=node, **labels)})"

    yield alert(
        "SonicSlurmAgentSilent",
        f"absent(up{_selector(virtual_node=node)} == 1)",
        5,
        f"Prometheus cannot read the agent of {node}: nothing below is known",
    )
    yield alert(
        "SonicSlurmDown",
        f"{series('sonic_agent_answered', source='slurm')} == 0",
        5,
        f"Slurm behind {node} does not answer the agent: no job starts, running ones go on",
    )
    yield alert(
        "SonicSlurmAgentLockedOut",
        f"{series('sonic_agent_answered', source='kubernetes')} == 0",
        5,
        f"the API server does not answer the agent of {node}: no server is replaced before its time limit",
    )
    yield alert(
        "SonicVirtualNodeNotReady",
        f"{series('sonic_virtual_node_condition', condition='Ready')} == 0",
        2,
        f"{node} is not ready: its servers go on, no server is started or stopped",
    )
    yield alert(
        "SonicInterlinkDown",
        f"{series('sonic_virtual_node_condition', condition='InterlinkConnectivity')} == 0",
        2,
        f"{node} does not reach interLink's API: its servers go on, no server is started or stopped",
    )
    yield alert(
        "SonicSlurmLeftovers",
        f"max by (virtual_node, finding) (sonic_janitor_overdue{_selector(virtual_node=node)}) > 0",
        5,
        f"{{{{ $value }}}} findings {{{{ $labels.finding }}}} on {node}: Slurm and Kubernetes disagree",
    )


def _of_queue(facts: RuleFacts, pool: ServerPool, queue: Queue) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_seconds: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "pool": pool.name, "virtual_node": queue.virtual_node}
        return _alert(name, expression, for_seconds=for_seconds, summary=summary, labels=labels)

    def series(name: str, **labels: str) -> str:
        return f"{name}{_selector(sonic_instance=facts.instance, pool=pool.name, **labels)}"

    def most(expression: str) -> str:
        return f"max by (sonic_instance, pool) ({expression})"

    answers = f"max(sonic_agent_answered{_selector(virtual_node=queue.virtual_node, source='slurm')}) == 1"
    running = most(series("sonic_slurm_jobs", state="RUNNING"))
    ended_early = series("sonic_slurm_ended_jobs_total", end="early")
    yield alert(
        "SonicSlurmRefusesJobs",
        f"{most(series('sonic_slurm_forecast_success'))} == 0 and on () ({answers})",
        600,
        f"Slurm refuses jobs of pool {pool.name}",
    )
    yield alert(
        "SonicSlurmQueueLong",
        # Without a waiting job the forecast may be the end of the pool's own servers, if they fill the partition.
        f"{most(series('sonic_slurm_queue_wait_seconds'))} > {queue.wait_seconds} "
        f"and {most(series('sonic_slurm_jobs', state='PENDING'))} > 0",
        600,
        f"jobs of pool {pool.name} wait {{{{ $value | humanizeDuration }}}} in the queue: more than queue_wait_seconds",
    )
    yield alert(
        "SonicSlurmJobEndedEarly",
        f"{most(f'increase({ended_early}[15m])')} > 0",
        0,
        f"a server of pool {pool.name} ended before its time limit, and nobody cancelled it",
    )
    yield alert(
        "SonicSlurmJobsUnreachable",
        f"{running} > 0 unless on () count(nv_inference_request_success{servers(pool)})",
        queue.start_seconds,
        f"jobs of pool {pool.name} run, and no server of it answers through its tunnel",
    )
    yield alert(
        "SonicSlurmPoolEmpty",
        f"{running} == 0",
        queue.wait_seconds + queue.start_seconds,
        f"no job of pool {pool.name} runs: the other pools serve, if there are any",
    )


def _accounts(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    """Yield the records of one pool."""

    def record(name: str, expression: str) -> Rule:
        labels = {"experiment": facts.experiment, "sonic_instance": facts.instance, "pool": pool.name}
        return {"record": name, "expr": expression, "labels": labels}

    own = _selector(sonic_instance=facts.instance, pool=pool.name)
    if any(pool is queued for queued, _ in facts.queued):
        for name, counter in (("gpu", "sonic_slurm_gpu_seconds_total"), ("queue", "sonic_slurm_queue_seconds_total")):
            yield record(f"pool:sonic_{name}_hours:1h", f"max(increase({counter}{own}[1h])) / 3600")
    else:
        yield record("pool:sonic_gpus:count", f"count(count by (gpu_uuid) (nv_gpu_utilization{servers(pool)}))")
        yield record(
            "pool:sonic_gpu_hours:1h", f"sum_over_time(pool:sonic_gpus:count{own}[1h]) * {INTERVAL_SECONDS} / 3600"
        )
    yield record(
        "pool:sonic_power_watts:rate5m", f"sum(max by (gpu_uuid) (rate(nv_energy_consumption{servers(pool)}[5m])))"
    )
    yield record(
        "pool:sonic_energy_kwh:1h",
        f"sum_over_time(pool:sonic_power_watts:rate5m{own}[1h]) * {INTERVAL_SECONDS} / {_JOULES_PER_KWH:g}",
    )

    def grown(name: str) -> str:
        return f"max by (pod, model, version) (increase({name}{servers(pool)}[1h]))"

    yield record(
        "model:sonic_busy_hours:1h",
        f"sum by (model) ({grown('nv_inference_compute_infer_duration_us')} * {grown('nv_inference_exec_count')} "
        f"/ ({grown('nv_inference_request_success')} > 0)) / {_MICROSECONDS_PER_HOUR:g}",
    )


def _accounts_of_all(facts: RuleFacts) -> Iterator[Rule]:
    own = _selector(sonic_instance=facts.instance)
    busy, pools = f"model:sonic_busy_hours:1h{own}", "(sonic_instance, pool)"
    for quantity in ("gpu_hours", "energy_kwh"):
        part = f"{busy} / on {pools} group_left () (sum by {pools} ({busy}) > 0)"
        of_pool = f"pool:sonic_{quantity}:1h{own}"
        yield {
            "record": f"model:sonic_{quantity}:1h",
            "expr": f"{part} * on {pools} group_left () {of_pool}",
        }
    for quantity in ("gpu_hours", "queue_hours", "energy_kwh"):
        yield {
            "record": f"experiment:sonic_{quantity}:1h",
            "expr": f"sum by (experiment, sonic_instance) (pool:sonic_{quantity}:1h{own})",
        }


def _alert(name: str, expression: str, *, for_seconds: int, summary: str, labels: dict[str, str]) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        **({"for": f"{for_seconds}s"} if for_seconds else {}),
        "labels": {**labels, "severity": "warning"},
        "annotations": {"summary": summary, "runbook": f"{RUNBOOK}#{name.lower()}"},
    }


def servers(pool: ServerPool) -> str:
    """Return the selector of the series of a pool's servers, by the labels that `components.queries` names."""
    return f'{{namespace="{pool.metrics.namespace}",pod=~"{pool.pod_pattern}"}}'


def _selector(**labels: str) -> str:
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{matchers}}}"
