"""`python -m stacks fit STACK`: a table of what the stack needs of its cluster, and the misfits alone for a preview."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from access.cluster import ClusterView, UnreachableError
from access.kubeconfig import find_context
from access.kubectl_proxy import kubectl_proxy
from fit.demand import Demand
from fit.questions import ask, unasked
from fit.row import Result, Row
from stacks.assemble import Resolved
from stacks.errors import ConfigurationError
from stacks.resolve import resolve

MISFIT = 1
"""Exit status: a row failed, or the configuration is not valid."""
UNREACHED = 3
"""Exit status: no question reached the cluster."""


def fit(stack: str, root: Path, *, offline: bool) -> int:
    """Print the table, and return the exit status: 0 only if no row fails."""
    try:
        resolved = resolve(stack, root)
        rows = unasked(resolved.config) if offline else reach_and_judge(resolved)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return MISFIT
    except UnreachableError as error:
        print(unreached(stack, error), file=sys.stderr)
        return UNREACHED
    _show(rows)
    failed, unseen = (sum(row.result is result for row in rows) for result in (Result.MISFIT, Result.NOT_LOOKED_AT))
    if failed:
        print(f"\n{failed} of {len(rows)} rows fail: `pulumi up --stack {stack}` would break; each row has its way out")
        return MISFIT
    print(f"\nnone of {len(rows)} rows fails; {unseen} not looked at")
    return 0


def reach_and_judge(resolved: Resolved) -> list[Row]:
    """Ask the cluster of a stack all questions.

    Raises:
        ConfigurationError: the kubeconfig has no such context.
        UnreachableError: the cluster does not answer at all.
    """
    context = find_context(resolved.config.site.access, os.environ)
    with kubectl_proxy(context) as cluster:
        return judge(resolved, cluster)


def judge(resolved: Resolved, cluster: ClusterView) -> list[Row]:
    """Render a stack and ask a cluster about it.

    Raises:
        UnreachableError: the cluster does not answer at all.
    """
    cluster.version()
    from rendering.manifests import manifests  # needs Pulumi, whose import takes longer than the offline form may

    return ask(Demand(resolved, manifests(resolved.config)), cluster)


def unreached(stack: str, error: UnreachableError) -> str:
    """Return the sentence for a cluster that does not answer."""
    return f"the cluster was not asked whether stack `{stack}` fits it: {error}"


def _show(rows: Sequence[Row]) -> None:
    subjects = max(len(row.subject) for row in rows)
    results = max(len(result) for result in Result)
    for row in rows:
        print(f"{row.subject:<{subjects}}  {row.result:<{results}}  {row.detail}")
