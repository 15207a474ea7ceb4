"""`python -m stacks edge`: the files of the other side of a virtual node."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.virtual_node.agent.settings import read
from edge.__main__ import main
from tests.support.config_cases import STACK, lay_out_happy


def written(root: Path, node: str, directory: str = "edge") -> dict[str, Path]:
    lay_out_happy("everything", root)
    assert main([STACK, node, str(root / directory)], root) == 0
    return {path.name: path for path in (root / directory).iterdir()}


AGENT = {"agent", "agent.json", "sonic-slurm-agent.service"}


def test_a_site_outside_gets_configuration_scripts_and_units(tmp_path: Path) -> None:
    files = written(tmp_path, "interlink-edge")
    assert set(files) == {
        "InterLinkConfig.yaml",
        "SlurmConfig.yaml",
        "resources.sh",
        "sbatch.sh",
        "interlink-api.service",
        "interlink-slurm-plugin.service",
        *AGENT,
    }
    assert files["resources.sh"].stat().st_mode & 0o111
    assert yaml.safe_load(files["InterLinkConfig.yaml"].read_text())["InterlinkPort"] == "8443"


def test_a_site_that_takes_tokens_gets_the_files_of_the_proxy_too(tmp_path: Path) -> None:
    files = written(tmp_path, "interlink-tokens")
    assert set(files) == {
        "InterLinkConfig.yaml",
        "SlurmConfig.yaml",
        "resources.sh",
        "sbatch.sh",
        "oauth2-proxy.cfg",
        "interlink-api.service",
        "interlink-oauth2-proxy.service",
        "interlink-slurm-plugin.service",
        *AGENT,
    }


def test_values_are_for_a_virtual_kubelet_that_nobody_here_deploys(tmp_path: Path) -> None:
    lay_out_happy("everything", tmp_path)
    site = tmp_path / "stacks/sites/here.yaml"
    site.write_text(site.read_text().replace("    deployed: true\n", ""))
    stack = tmp_path / f"Pulumi.{STACK}.yaml"  # only who deploys it has the client's secret
    stack.write_text(re.sub(r"  sonic:interlink-client-secret:\n.*\n", "", stack.read_text()))
    for node, further in (
        ("interlink-partition", {"scripts-configmap.yaml"}),
        ("interlink-edge", {"SlurmConfig.yaml"}),
        ("interlink-tokens", {"oauth2-proxy.cfg"}),
    ):
        shutil.rmtree(tmp_path / "edge", ignore_errors=True)
        assert main([STACK, node, str(tmp_path / "edge")], tmp_path) == 0
        files = {path.name: path for path in (tmp_path / "edge").iterdir()}
        assert further <= set(files)
        assert yaml.safe_load(files["values.yaml"].read_text())["nodeName"] == node


def test_a_node_that_the_stack_deploys_whole_needs_the_agent_alone(tmp_path: Path) -> None:
    assert set(written(tmp_path, "interlink-partition")) == AGENT


def test_the_agent_runs_with_the_settings_that_are_written(tmp_path: Path) -> None:
    lay_out_happy("slurm", tmp_path)
    assert main([STACK, "interlink-hammer", str(tmp_path / "edge")], tmp_path) == 0
    made = read(tmp_path / "edge/agent.json")
    (pool,) = made.pools
    assert (pool.deployment, pool.queue_wait_seconds) == (f"{pool.instance}-triton-{pool.pool}", 600)
    assert [flag for flag in pool.flags if flag.startswith(("--partition=", "--signal=B:TERM@"))]
    assert not made.act
    assert made.tls is None
    run = [sys.executable, "-m", "agent"]
    told = subprocess.run(run, cwd=tmp_path / "edge", capture_output=True, text=True, check=False)
    assert told.stderr == "usage: python3 -m agent SETTINGS_FILE\n"


def test_the_agent_is_the_user_of_the_jobs_that_it_may_have_to_end(tmp_path: Path) -> None:
    """Slurm refuses `scancel` of somebody else's job."""
    lay_out_happy("slurm", tmp_path)
    for node, user in (("interlink-hammer", "616617"), ("interlink-edge", "interlink")):
        assert main([STACK, node, str(tmp_path / node)], tmp_path) == 0
        unit = (tmp_path / node / "sonic-slurm-agent.service").read_text().splitlines()
        assert [line for line in unit if line.startswith(("User=", "Group="))] == [f"User={user}", "Group=interlink"]


def test_the_metrics_are_open_to_prometheus_alone_where_the_site_has_an_address_for_them(tmp_path: Path) -> None:
    lay_out_happy("slurm-agent", tmp_path)
    assert main([STACK, "", str(tmp_path / "edge")], tmp_path) == 0
    made = read(tmp_path / "edge/agent.json")
    assert made.tls is not None
    assert (made.port, made.tls.authorities_file) == (9911, "/etc/interlink/certificate/prometheus.crt")


@pytest.mark.parametrize(
    ("case", "node", "told"),
    [
        (
            "everything",
            "",
            "has several virtual nodes: name one after the stack: interlink-partition, inter",
        ),
        ("everything", "hammer", "there is no virtual node `hammer` in site.virtual_nodes: name one of: interlink-"),
        ("minimal", "", "has no site.virtual_nodes: describe the virtual node there first"),
    ],
)
def test_a_node_that_is_not_clear_is_refused(
    case: str, node: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out_happy(case, tmp_path)
    assert main([STACK, node, str(tmp_path / "edge")], tmp_path) == 1
    assert told in capsys.readouterr().err
