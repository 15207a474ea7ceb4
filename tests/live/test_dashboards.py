"""Each query of a dashboard has data in the dev stack's Prometheus, which real Envoys and Tritons fill."""

import json
import time
from collections.abc import Mapping

import pytest

from acceptance.client import TritonClient
from acceptance.kserve import CallError
from components.dashboards import fleet_board
from rendering.manifests import manifests
from stacks.schema import StackConfig
from stacks.schema.dashboards import SidecarDashboards
from tests.support.dashboards import promql, queries
from tests.support.dev_stack import DevStack

pytestmark = pytest.mark.live

NO_GPU = "the node of the dev cluster has no GPU"
EMPTY: Mapping[str, str] = dict.fromkeys(
    (
        *("GPU utilisation", "GPU memory", "GPU power", "GPU hours by pool", "Energy by pool"),
        *("GPU utilisation by stack", "GPU hours by stack", "Energy by stack"),
    ),
    NO_GPU,
)
"""Title of a panel without data here -> the reason."""
SCRAPES_SECONDS = 6
"""Time of three scrapes of the dev stack."""
WAIT_SECONDS = 240
"""Longer than the samples of 130 s, since a server's start, from which busy servers are counted."""


@pytest.fixture(scope="module")
def dev() -> DevStack:
    """The dev stack after calls that succeeded and one that failed."""
    dev = DevStack()
    with dev.load(clients=2, sleep_ms=20):
        for _ in range(2):  # a counter that appears with its first call grows only with the next
            with TritonClient(dev.endpoint, tls=False) as client, pytest.raises(CallError):
                client.infer("no-such-model", "", [])
            time.sleep(SCRAPES_SECONDS)
    return dev


def of_stack(config: StackConfig) -> list[tuple[str, str]]:
    """Title of the panel and query of each line, as the ConfigMap has them that the program makes."""
    asked = SidecarDashboards(kind="sidecar", grafana_namespace="grafana")
    monitoring = config.site.monitoring.model_copy(update={"dashboards": asked})
    site = config.site.model_copy(update={"monitoring": monitoring})
    (made,) = [
        json.loads(text)
        for each in manifests(config.model_copy(update={"site": site}))
        if each["kind"] == "ConfigMap"
        for name, text in each["data"].items()
        if name.endswith("-stack.json")
    ]
    return [(panel["title"], target["expr"]) for panel in made["panels"] for target in panel.get("targets", ())]


def test_each_query_has_data(dev: DevStack) -> None:
    fleet = [(title, query.expression) for title, query in queries(fleet_board.board())]
    asked = [(title, promql(expression)) for title, expression in (*of_stack(dev.config), *fleet)]
    missing = [(title, query) for title, query in asked if not dev.query(query)]
    ends = time.monotonic() + WAIT_SECONDS
    while {title for title, _ in missing} - EMPTY.keys() and time.monotonic() < ends:
        time.sleep(1)
        missing = [(title, query) for title, query in missing if not dev.query(query)]
    assert {title for title, _ in missing} == EMPTY.keys(), missing
    print(f"{len(asked) - len(missing)} queries of panels have data, {len(missing)} have none: {NO_GPU}")
