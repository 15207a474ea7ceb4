"""Rows on GPUs, GPU hours and energy.

The formulas are those of `components.monitoring.rules`, over the time that the reader chose instead of an hour.
"""

from components import queries
from components.dashboards.board import Panel, Query, Row, Shape, Unit
from components.dashboards.facts import StackFacts, servers_of
from components.dashboards.families import CHOSEN
from components.server_pool import ServerPool

_STEP_SECONDS = 60
"""Time between two samples of a sum over time."""


def gpus(facts: StackFacts) -> Row:
    """Return the row on the GPUs."""
    family, of_each = facts.gpus, ("pod", "gpu_uuid")
    legend = "{{pod}} {{gpu_uuid}}"

    def share(part: str, whole: str) -> str:
        return f"{family.now(part, by=of_each)} / {family.now(whole, by=of_each)}"

    return Row(
        title="GPUs",
        panels=(
            Panel(
                title="GPU utilisation",
                description="Fraction of the time in which the GPU computes anything. Empty for MIG slices.",
                queries=(Query(expression=family.now("nv_gpu_utilization", by=of_each), legend=legend),),
                unit=Unit.FRACTION,
            ),
            Panel(
                title="GPU memory",
                description="Fraction of the GPU's memory that is in use, by whomever.",
                queries=(
                    Query(expression=share("nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes"), legend=legend),
                ),
                unit=Unit.FRACTION,
            ),
            Panel(
                title="GPU power",
                description="Power as a fraction of the GPU's limit.",
                queries=(Query(expression=share("nv_gpu_power_usage", "nv_gpu_power_limit"), legend=legend),),
                unit=Unit.FRACTION,
            ),
        ),
    )


def accounts(facts: StackFacts) -> Row:
    """Return the row on GPU hours and energy in the chosen time."""
    hours = " + ".join(f"({gpu_hours(facts, pool)} or vector(0))" for pool in facts.pools)
    energy = " + ".join(f"({_energy_kwh(pool)} or vector(0))" for pool in facts.pools)
    part = f"{_busy(facts)} / on () group_left () (sum({_busy(facts)}) > 0)"
    return Row(
        title="GPU hours and energy in the chosen time",
        panels=(
            Panel(
                title="GPU hours by pool",
                description="GPUs that servers report, each once, x time. Of Slurm with an agent: GPUs of the running "
                "jobs, as allocated.",
                queries=tuple(Query(expression=gpu_hours(facts, pool), legend=pool.name) for pool in facts.pools),
                unit=Unit.HOURS,
                shape=Shape.NUMBERS,
                columns=6,
            ),
            Panel(
                title="GPU hours by model",
                description="The GPU hours of all pools, divided by the time that each model was executed.",
                queries=(Query(expression=f"{part} * on () group_left () ({hours})", legend="{{model}}"),),
                unit=Unit.HOURS,
                shape=Shape.NUMBERS,
                columns=6,
            ),
            Panel(
                title="Energy by pool",
                description="Energy of the GPUs, each once.",
                queries=tuple(Query(expression=_energy_kwh(pool), legend=pool.name) for pool in facts.pools),
                unit=Unit.KILOWATT_HOURS,
                shape=Shape.NUMBERS,
                columns=6,
            ),
            Panel(
                title="Energy by model",
                description="The energy of all pools, divided by the time that each model was executed.",
                queries=(Query(expression=f"{part} * on () group_left () ({energy})", legend="{{model}}"),),
                unit=Unit.KILOWATT_HOURS,
                shape=Shape.NUMBERS,
                columns=6,
            ),
        ),
    )


def gpu_hours(facts: StackFacts, pool: ServerPool) -> str:
    """Return the GPU hours of a pool in the chosen time."""
    if pool.queue is not None and pool.queue.virtual_node in facts.agents:
        counter = f'sonic_slurm_gpu_seconds_total{{sonic_instance="{facts.instance}",pool="{pool.name}"}}'
        return f"max(increase({counter}[{CHOSEN}])) / 3600"
    return queries.hours(_over_chosen(queries.gpus(f"{{{servers_of([pool])}}}")), _STEP_SECONDS)


def _energy_kwh(pool: ServerPool) -> str:
    return queries.kilowatt_hours(_over_chosen(queries.gpu_watts(f"{{{servers_of([pool])}}}")), _STEP_SECONDS)


def _over_chosen(expression: str) -> str:
    return f"sum_over_time(({expression})[{CHOSEN}:{_STEP_SECONDS}s])"


def _busy(facts: StackFacts) -> str:
    """Return the time in execution by model, in seconds; a batch counts once."""
    return f"sum by (model) ({queries.executing(f'{{{servers_of(facts.pools)}}}', CHOSEN, 'increase')})"
