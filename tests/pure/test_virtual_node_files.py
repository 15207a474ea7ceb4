"""Configuration and scripts of interLink: keys that its programs know, and scripts that bash runs."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.virtual_node import VirtualNodeImages, slurm_side
from components.virtual_node.kubelet_config import TUNNEL_COMMAND, kubelet_config
from edge.chart import chart_values
from edge.oauth2_proxy import proxy_files
from edge.units import API_UNIT, PLUGIN_UNIT, PROGRAMS_FOLDER, units
from stacks.resolve import ROOT
from stacks.schema.remote_apis import OAuth2Api
from stacks.schema.site import Images
from tests.support.virtual_nodes import HTTPS, IMAGES, OAUTH2, SSH, WSTUNNEL, virtual_node

KNOWN = {name: set(keys) for name, keys in yaml.safe_load((ROOT / "tests/interlink/keys.yaml").read_text()).items()}
"""Program -> keys that it knows."""


def keys(value: dict[str, Any], above: str = "") -> set[str]:
    """Keys of mappings, dotted."""
    below = [keys(item, f"{above}{key}.") for key, item in value.items() if isinstance(item, dict)]
    return {f"{above}{key}" for key in value}.union(*below)


@pytest.mark.parametrize("tunnel", [SSH, WSTUNNEL], ids=["ssh", "wstunnel"])
@pytest.mark.parametrize("api", [{}, {"api": HTTPS}, {"api": OAUTH2}], ids=["socket", "https", "oauth2"])
def test_every_key_is_known_to_the_program_that_reads_it(api: dict[str, Any], tunnel: dict[str, Any]) -> None:
    node = virtual_node(**api, tunnel=tunnel)
    assert keys(kubelet_config(node)) <= KNOWN["kubelet"]
    assert keys(slurm_side.interlink_config(node)) <= KNOWN["api"]
    assert keys(slurm_side.slurm_config(node, folder="/etc/interlink")) <= KNOWN["plugin"]
    assert keys(chart_values(node, IMAGES, "plugin:1")) <= KNOWN["chart"]


@pytest.mark.parametrize("release", ["0.6.1", "0.6.1-patch1", "0.7.0-pre2"])
def test_a_release_of_interlink_is_the_tag_of_its_images(release: str) -> None:
    node = virtual_node(interlink=release)
    images = VirtualNodeImages.of(node.interlink, Images())
    assert {image.rpartition(":")[2] for image in (images.kubelet, images.api, images.refresh)} == {release}


def test_the_plugin_shares_the_files_of_jobs_with_them() -> None:
    """Without SHARED_FS it keeps them to itself."""
    assert "Environment=SHARED_FS=true" in units(virtual_node(api=HTTPS), for_others=False)[PLUGIN_UNIT].splitlines()
    assert {"name": "SHARED_FS", "value": "true"} in chart_values(virtual_node(), IMAGES, "plugin:1")["plugin"]["envs"]


def test_go_formats_the_command_of_a_tunnel_with_each_of_its_three_values() -> None:
    assert [TUNNEL_COMMAND.count(f"%[{index}]s") for index in (1, 2, 3)] == [1, 1, 1]
    assert TUNNEL_COMMAND.count("%") == 3


def test_the_virtual_kubelet_logs_no_prefix_of_a_wstunnel() -> None:
    assert kubelet_config(virtual_node(tunnel=WSTUNNEL))["ErrorsOnlyLogging"] is True
    assert kubelet_config(virtual_node(tunnel=SSH))["ErrorsOnlyLogging"] is False


def test_the_plugin_appends_names_to_the_data_folder() -> None:
    node = virtual_node(slurm={"cluster": "a", "data_folder": "/scratch/interlink"})
    assert slurm_side.slurm_config(node, folder="/etc/interlink")["DataRootFolder"] == "/scratch/interlink/"


def slurm_commands(folder: Path, state: str) -> Path:
    """Stand-ins of Slurm's commands, and of sleep, that write their arguments to `calls`; squeue prints a state."""
    for name, output in (("squeue", state), ("scancel", ""), ("sinfo", "idle"), ("sleep", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho {name} "$@" >>{folder}/calls\necho "{output}"\n')
        script.chmod(0o755)
    return folder


def run(script: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script beside the stand-ins."""
    path = f"{script.parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", script, *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def calls(folder: Path) -> list[str]:
    """Calls of the stand-ins, in order."""
    return (folder / "calls").read_text().splitlines()


def scripts_in(folder: Path) -> dict[str, Path]:
    node = virtual_node(
        api=HTTPS,
        slurm={
            "cluster": "a",
            "data_folder": str(folder / "jobs"),
            "commands_folder": str(folder),
            "scancel_wrapper": True,
        },
    )
    files = {}
    for name, text in slurm_side.scripts(node).items():
        files[name] = folder / name
        files[name].write_text(text)
    return files


@pytest.mark.parametrize(
    ("state", "call"),
    [("RUNNING", "scancel --batch --signal=TERM 42"), ("PENDING", "scancel 42"), ("", "scancel 42")],
)
def test_a_running_job_is_drained_and_any_other_is_cancelled(state: str, call: str, tmp_path: Path) -> None:
    folder = slurm_commands(tmp_path, state)
    assert run(scripts_in(folder)["scancel.sh"], "42").returncode == 0
    assert calls(folder)[-1] == call


def test_without_the_wrapper_the_plugin_runs_scancel_itself() -> None:
    node = virtual_node()
    assert "scancel.sh" not in slurm_side.scripts(node)
    assert slurm_side.slurm_config(node, folder="/etc/interlink")["ScancelPath"] == "/usr/bin/scancel"


def test_the_node_offers_its_whole_capacity_while_slurm_answers(tmp_path: Path) -> None:
    folder = slurm_commands(tmp_path, "")
    script = scripts_in(folder)["resources.sh"]
    (folder / "jobs").mkdir()
    answer = run(script).stdout
    assert json.loads(answer)["resources"] == {"cpu": "1000", "memory": "4000Gi", "pods": "100"}
    (folder / "sinfo").write_text("#!/bin/sh\nexit 1\n")
    assert run(script).returncode == 1


def test_a_ping_is_answered_late_while_no_script_of_a_job_can_be_written(tmp_path: Path) -> None:
    """interLink gives up after 120 s, and the node gets no new pods. A script that failed would be without effect."""
    folder = slurm_commands(tmp_path, "")
    run(scripts_in(folder)["resources.sh"])
    assert calls(folder)[0] == "sleep 150"


WARNING = "sbatch: warning: can't run 1 processes on 2 nodes, setting nnodes to 1"
REFUSAL = "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)"


@pytest.mark.parametrize(
    ("script", "status", "output", "errors", "waited"),
    [
        ("echo Submitted batch job 7", 0, "Submitted batch job 7", "", []),
        (f'echo "{WARNING}" >&2; echo Submitted batch job 7', 0, f"Submitted batch job 7 {WARNING}", "", []),
        (f'echo "{REFUSAL}" >&2; exit 1', 1, "", REFUSAL, ["sleep 60"]),
    ],
    ids=["submitted", "submitted with a warning", "refused"],
)
def test_the_plugin_hears_of_a_job_unless_slurm_refused_it_and_of_that_late(
    script: str, status: int, output: str, errors: str, waited: list[str], tmp_path: Path
) -> None:
    folder = slurm_commands(tmp_path, "")
    (folder / "sbatch").write_text(f'#!/bin/sh\necho sbatch "$@" >>{folder}/calls\n{script}\n')
    (folder / "sbatch").chmod(0o755)
    answer = run(scripts_in(folder)["sbatch.sh"], "/jobs/a/job.slurm")
    assert (answer.returncode, answer.stderr.strip()) == (status, errors)
    assert answer.stdout.split() == output.split()
    assert calls(folder) == ["sbatch /jobs/a/job.slurm", *waited]


def test_only_a_plugin_that_submits_for_others_is_root_and_the_api_reaches_it_still() -> None:
    """`sbatch --uid` is root's. The API is open to the network, and root's socket is not open to its user."""
    node = virtual_node(api=HTTPS)
    assert {user for unit in units(node, for_others=False).values() for user in users(unit)} == {"interlink"}
    made = units(node, for_others=True)
    assert {name: users(unit) for name, unit in made.items()} == {PLUGIN_UNIT: ["root"], API_UNIT: ["interlink"]}
    assert "chgrp interlink /run/interlink/plugin.sock && chmod 0660" in made[PLUGIN_UNIT]


def users(unit: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith("User=")]


def test_an_api_that_takes_tokens_is_behind_a_proxy_that_takes_those_of_one_client() -> None:
    node = virtual_node(api=OAUTH2)
    assert isinstance(node.api, OAuth2Api)
    files = proxy_files(node, node.api)
    config = tomllib.loads(files["oauth2-proxy.cfg"])
    assert config.keys() <= KNOWN["proxy"]
    assert slurm_side.interlink_config(node)["InterlinkAddress"] == "unix:///run/interlink-api/api.sock"
    assert config["upstreams"] == ["unix:///run/interlink-api/api.sock"]
    assert "RuntimeDirectoryMode=0700" in units(node, for_others=False)[API_UNIT].splitlines()
    assert (config["oidc_issuer_url"], config["client_id"]) == ("https://iam.example.org", "interlink-edge")
    assert config["skip_jwt_bearer_tokens"]
    assert not config["bearer_token_login_fallback"]
    assert (config["oidc_groups_claim"], config["allowed_groups"]) == ("sub", ["interlink"])


@pytest.mark.parametrize("for_others", [False, True])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(for_others: bool, tmp_path: Path) -> None:
    for program in ("interlink", "interlink-sidecar-slurm"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    files = []
    for name, text in units(virtual_node(api=HTTPS), for_others=for_others).items():
        files.append(tmp_path / name)
        files[-1].write_text(text.replace(PROGRAMS_FOLDER, str(tmp_path)))
    # The user of the units does not exist here, which is no fault of a unit.
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert [line for line in result.stderr.splitlines() if "interlink" in line] == []
    assert result.returncode == 0
