"""Recording rules and alerts of a stack, as Prometheus' rule groups.

The same groups are in the configuration of a Prometheus of the stack's own and in a PrometheusRule for the operator's.
Each alert has a section in docs/runbook.md, named as the alert is.

| module     | rules                                                                         |
|------------|-------------------------------------------------------------------------------|
| `load`     | records: requests, waits and times of each model, work and servers of a pool  |
| `accounts` | records: GPU hours, queue hours and energy                                    |
| `proxy`    | alerts: Envoy, refused calls, certificates, keys of issuers                   |
| `pools`    | alerts: servers of a pool, their queue, their number, their scrape            |
| `models`   | alerts: models and the memory of GPUs                                         |
| `slurm`    | alerts: Slurm clusters whose agent is read                                    |

Several stacks may have one agent scraped into one Prometheus, and two jobs may scrape one server. So `max by` comes
before each sum.
"""

from collections.abc import Sequence
from typing import Any

from components.monitoring.rules import accounts, load
from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.models import model_alerts
from components.monitoring.rules.pools import pool_alerts
from components.monitoring.rules.proxy import proxy_alerts
from components.monitoring.rules.rule import RUNBOOK, Rule
from components.monitoring.rules.slurm import slurm_alerts

__all__ = ["RUNBOOK", "RuleFacts", "groups"]


def groups(facts: RuleFacts) -> list[dict[str, Any]]:
    """Return the rule groups of a stack."""
    service = [*proxy_alerts(facts), *pool_alerts(facts), *model_alerts(facts)]
    return [
        _group(facts, "load", load.records(facts), load.INTERVAL_SECONDS),
        _group(facts, "service", service),
        *([_group(facts, "slurm", alerts)] if (alerts := slurm_alerts(facts)) else []),
        _group(facts, "accounts", accounts.records(facts), accounts.INTERVAL_SECONDS),
    ]


def _group(facts: RuleFacts, name: str, rules: Sequence[Rule], interval_seconds: int | None = None) -> dict[str, Any]:
    """Return a group, evaluated at an interval of its own or at Prometheus'."""
    interval = {"interval": f"{interval_seconds}s"} if interval_seconds else {}
    return {"name": f"{facts.instance}-{name}", **interval, "rules": list(rules)}
