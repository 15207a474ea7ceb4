"""The dashboards of a stack that has everything, as files: a change of a query is seen in review."""

import json
from pathlib import Path

import pytest
import yaml

from components.dashboards.grafana_json import dashboard_json
from tests.support.dashboards import boards
from tests.support.golden import check

GOLDEN = Path(__file__).parent / "dashboards"


def test_the_dashboards_are_their_golden_files(request: pytest.FixtureRequest) -> None:
    rendered = {
        f"{role}.yaml": yaml.safe_dump(
            json.loads(dashboard_json(board, datasource=None)), width=120, allow_unicode=True
        )
        for role, board in boards().items()
    }
    check(GOLDEN, rendered, update=request.config.getoption("--update-golden"))
