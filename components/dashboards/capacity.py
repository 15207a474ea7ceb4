"""Rows on the servers of each pool: how many there are, how many the autoscaler wants, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from components.autoscaling import Trigger
from components.dashboards.board import COLUMNS, Panel, Query, Row, Unit
from components.dashboards.facts import StackFacts, servers_of
from components.server_pool import Queue, ScaleTarget, ServerPool


def pools(facts: StackFacts) -> Iterator[Row]:
    """Yield a row for each pool."""
    for pool in facts.pools:
        panels = [*_scaling(facts, pool), *_slurm(facts, pool)]
        columns = COLUMNS // min(len(panels), 3)
        yield Row(title=f"Pool {pool.name}", panels=tuple(_wide(panel, columns) for panel in panels))


def servers(of_pools: Sequence[ServerPool]) -> str:
    """Return the number of servers whose metrics are read."""
    return f"count(count by (pod) (nv_inference_pending_request_count{{{servers_of(of_pools)}}}))"


def _scaling(facts: StackFacts, pool: ServerPool) -> Iterator[Panel]:
    there = Query(expression=servers([pool]), legend="there")
    target, triggers = pool.scale_target, facts.triggers.get(pool.name, ())
    if target is None or not triggers:
        yield Panel(
            title=f"Servers of pool {pool.name}",
            description="Servers whose metrics are read. Their number is fixed.",
            queries=(there,),
        )
        return
    yield Panel(
        title=f"Servers of pool {pool.name}",
        description="Servers that each load asks for, between the fewest and the most. The autoscaler takes the "
        "highest of them. It adds at once and removes late: docs/operate.md.",
        queries=(
            there,
            *(Query(expression=_wanted(each, target), legend=f"wanted for {each.name}") for each in triggers),
            Query(expression=f"vector({target.servers_min})", legend="fewest"),
            Query(expression=f"vector({target.servers_max})", legend="most"),
        ),
    )
    yield Panel(
        title=f"Load of pool {pool.name} against its target",
        description="Load / (target of a server x servers there): servers are added above 100 %. The highest line is "
        "the autoscaler's reason.",
        queries=tuple(
            Query(
                expression=f"({each.keda_query}) / on () group_left () ({each.threshold:g} * {there.expression})",
                legend=each.name,
            )
            for each in triggers
        ),
        unit=Unit.FRACTION,
    )


def _wanted(trigger: Trigger, target: ScaleTarget) -> str:
    return f"clamp(ceil(({trigger.keda_query}) / {trigger.threshold:g}), {target.servers_min}, {target.servers_max})"


def _slurm(facts: StackFacts, pool: ServerPool) -> Iterator[Panel]:
    match pool.queue:
        case Queue(virtual_node=node) if node in facts.agents:
            own = f'sonic_instance="{facts.instance}",pool="{pool.name}"'
            yield Panel(
                title=f"Slurm jobs of pool {pool.name}",
                description="Jobs by Slurm's state, as the agent of the virtual node counts them.",
                queries=(Query(expression=f"max by (state) (sonic_slurm_jobs{{{own}}})", legend="{{state}}"),),
            )
            yield Panel(
                title=f"Wait of pool {pool.name} in Slurm's queue",
                description="Time until one more job would start, by Slurm's forecast, and the usual wait that the "
                "site's file has.",
                queries=(
                    Query(expression=f"max(sonic_slurm_queue_wait_seconds{{{own}}})", legend="forecast"),
                    Query(expression=f"vector({pool.queue.wait_seconds})", legend="queue_wait_seconds"),
                ),
                unit=Unit.SECONDS,
            )


def _wide(panel: Panel, columns: int) -> Panel:
    return replace(panel, columns=columns)
