"""A rule as Prometheus reads it, and the selectors of a stack's series."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from components import queries
from components.monitoring.rules.facts import RuleFacts

RUNBOOK = "docs/runbook.md"

Rule = dict[str, Any]
"""A recording rule or an alert as Prometheus reads it."""


class Severity(StrEnum):
    """Label `severity` of an alert."""

    CRITICAL = "critical"
    """Requests are not served."""
    WARNING = "warning"
    """Requests are served, by fewer servers or later."""


def record(name: str, expression: str, **labels: str) -> Rule:
    """Return a recording rule, which adds the labels to the series."""
    return {"record": name, "expr": expression, **({"labels": labels} if labels else {})}


def alert(
    name: str,
    expression: str,
    *,
    for_seconds: int,
    summary: str,
    labels: Mapping[str, str],
    severity: Severity = Severity.WARNING,
) -> Rule:
    """Return an alert, whose section in the runbook has its name."""
    return {
        "alert": name,
        "expr": expression,
        **({"for": f"{for_seconds}s"} if for_seconds else {}),
        "labels": {**labels, "severity": str(severity)},
        "annotations": {"summary": summary, "runbook": f"{RUNBOOK}#{name.lower()}"},
    }


def selector(**labels: str) -> str:
    """Return a selector of the series with these labels."""
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{matchers}}}"


def envoys(facts: RuleFacts, *matchers: str) -> str:
    """Return the selector of the series of the stack's Envoys."""
    return queries.pods(facts.namespace, facts.envoy_pattern, *matchers)
