"""Every stack of a named site on that site's cluster, as far as its facts are published."""

from pathlib import Path

import pytest

from fit.demand import Demand
from fit.questions import ask
from fit.row import Result
from rendering.manifests import manifests
from stacks.resolve import resolve
from tests.support.cluster_stand_in import ClusterStandIn, profile
from tests.support.stacks import STACKS, config_of

SITES = Path(__file__).parents[1] / "sites"

KNOWN = {
    "purdue-cms-miniaod": {"names"},
    "purdue-cms-prod": {"names"},
}
"""Stack -> rows that fail as long as the SuperSONIC release runs that the stack succeeds, at the release's address."""


def cluster_of(stack: str) -> Path:
    """The profile of a stack's site."""
    return SITES / config_of(stack).site_name / "cluster.yaml"


@pytest.mark.parametrize("stack", [stack for stack in STACKS if cluster_of(stack).exists()])
def test_a_stack_fits_its_site_but_for_what_is_known(stack: str) -> None:
    resolved = resolve(stack)
    found = ask(Demand(resolved, manifests(resolved.config)), ClusterStandIn(profile(cluster_of(stack))))
    failing = {row.subject: row.detail for row in found if row.result is Result.MISFIT}
    assert {subject: detail for subject, detail in failing.items() if subject not in KNOWN.get(stack, ())} == {}
    assert failing.keys() >= KNOWN.get(stack, set())


def test_each_named_site_has_a_cluster() -> None:
    on_this_machine = {"dev", "dev-slurm", "kind"}
    sites = {config_of(stack).site_name for stack in STACKS} - on_this_machine
    assert {site for site in sites if not (SITES / site / "cluster.yaml").exists()} == set()
