"""`python -m stacks watch dev` and `report dev` against the real cluster, its KEDA and its Prometheus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.environment import variables
from devcluster.toolchain import Toolchain
from stacks.resolve import ROOT
from tests.support.dev_stack import DevStack, eventually

pytestmark = pytest.mark.live


def stacks(*arguments: str) -> list[str]:
    """Run a command to its end, and return its lines."""
    command = [sys.executable, "-m", "stacks", *arguments]
    environment = {**os.environ, **variables(Toolchain())}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()


def row(lines: list[str], start: str) -> list[str]:
    """Return the words of the line that begins with a word; none without such a line."""
    return next((words for words in map(str.split, lines) if words[:1] == [start]), [])


def test_the_view_and_the_report_tell_servers_load_and_decision(tmp_path: Path) -> None:
    dev, file = DevStack(), tmp_path / "report.html"
    seen: list[str] = []

    def loaded() -> bool:
        seen[:] = stacks("watch", "dev")
        return float((row(seen, "sleep_identity") or ["", "", "0"])[2].replace("\N{EN DASH}", "0")) > 0

    with dev.load(clients=2, sleep_ms=50):
        eventually(loaded, "the view shows the requests")
        for server in dev.ready_pod_names("triton"):
            assert row(seen, server)[1] == "ready"
        assert not [line for line in seen if "cannot be" in line or "Prometheus" in line], "all could be asked"
        assert any(line.startswith("node: wants ") for line in seen)
        _, present, *target = row(seen, "waiting-work")
        assert float(present) >= 0
        assert target[2:] == ["ms", "a", "server"]
        written = stacks("report", "dev", "--last", "10m", "-o", str(file))
    assert written[0].startswith(f"{file} has ")
    text = file.read_text()
    assert "requests that succeeded in servers" in text
    assert "node: requests per second" in text
    assert "refuses the query" not in text
