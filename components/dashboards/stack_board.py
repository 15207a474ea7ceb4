"""The dashboard of one stack."""

from components.dashboards import accounts, capacity, demand, latency
from components.dashboards.board import Board, Variable
from components.dashboards.facts import StackFacts


def board(facts: StackFacts) -> Board:
    """Return the dashboard of a stack."""
    return Board(
        uid=facts.uid,
        title=f"SONIC stack {facts.instance}",
        description=f"The stack {facts.instance} in namespace {facts.namespace}: who uses it, what waits where, and "
        "what the autoscaler wants.",
        variables=(Variable(name="model", series=facts.models.series(demand.SUCCESS), label="model"),),
        rows=(
            demand.now(facts),
            demand.users(facts),
            demand.waits(facts),
            latency.latency(facts),
            latency.refusals(facts),
            *capacity.pools(facts),
            accounts.gpus(facts),
            accounts.accounts(facts),
        ),
    )
