"""Alerts on Slurm clusters whose agent is read, and on the pools whose servers wait in their queues."""

from collections.abc import Iterator

from components.monitoring.rules import rule
from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.rule import Rule, selector
from components.queries import servers
from components.server_pool import Queue, ServerPool


def slurm_alerts(facts: RuleFacts) -> list[Rule]:
    """Return the alerts; none where no agent is read."""
    nodes = sorted({queue.virtual_node for _, queue in facts.queued})
    return [
        *(alert for node in nodes for alert in _of_node(facts, node)),
        *(alert for pool, queue in facts.queued for alert in _of_queue(facts, pool, queue)),
    ]


def _of_node(facts: RuleFacts, node: str) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_minutes: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "virtual_node": node}
        return rule.alert(name, expression, for_seconds=for_minutes * 60, summary=summary, labels=labels)

    def series(name: str, **labels: str) -> str:
        return f"max by (virtual_node) ({name}{selector(virtual_node=node, **labels)})"

    yield alert(
        "SonicSlurmAgentSilent",
        f"absent(up{selector(virtual_node=node)} == 1)",
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
        f"max by (virtual_node, finding) (sonic_janitor_overdue{selector(virtual_node=node)}) > 0",
        5,
        f"{{{{ $value }}}} findings {{{{ $labels.finding }}}} on {node}: Slurm and Kubernetes disagree",
    )


def _of_queue(facts: RuleFacts, pool: ServerPool, queue: Queue) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_seconds: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "pool": pool.name, "virtual_node": queue.virtual_node}
        return rule.alert(name, expression, for_seconds=for_seconds, summary=summary, labels=labels)

    def series(name: str, **labels: str) -> str:
        return f"{name}{selector(sonic_instance=facts.instance, pool=pool.name, **labels)}"

    def most(expression: str) -> str:
        return f"max by (sonic_instance, pool) ({expression})"

    answers = f"max(sonic_agent_answered{selector(virtual_node=queue.virtual_node, source='slurm')}) == 1"
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
