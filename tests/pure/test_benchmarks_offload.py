"""The benchmark of servers in Slurm jobs: its servers, its arithmetic, and what it deploys."""

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2

from benchmarks.loopback import grpc_messages
from benchmarks.loopback.fleet import PACED
from benchmarks.offload import agent_looks, chep_comparison, scale_up
from benchmarks.offload.chep_comparison import BOTH, KUBERNETES, LEGS, SLURM, THROUGH_ENVOY
from benchmarks.offload.deployment import override
from benchmarks.offload.kubernetes_server import manifests
from benchmarks.offload.legs import Turns
from benchmarks.offload.milestones import FIRST_ANSWER, PARTS, parts
from benchmarks.offload.path_cost import DIRECT, TUNNEL, WHOLE, PathLatency
from benchmarks.offload.plot import Curve, draw
from benchmarks.offload.pod_watch import SeenPod, parsed
from benchmarks.offload.slurm_stack import Job, jobs_of, paired
from components.triton.slurm_job import ADDRESS_VARIABLE, job_script
from devcluster.paths import CHECKOUT, MODELS
from stacks.resolve import resolve
from testbed.slurm_site import SlurmSite
from tests.support.stacks import recorded

STACK = "dev-slurm"
SITE = yaml.safe_load((CHECKOUT / "stacks" / "sites" / f"{STACK}.yaml").read_text())


def virtual_pod(name: str, uid: str, **metadata: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "slurm-job"}
    return {"metadata": {"name": name, "namespace": "jobs", "uid": uid, "labels": labels, **metadata}, "status": {}}


def tunnel_pod(name: str, address: str, ready: str = "True") -> dict[str, Any]:
    return {
        "metadata": {"name": f"wstunnel-{name}-jobs-abcde", "namespace": "jobs", "uid": f"t-{name}", "labels": {}},
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
    }


def job(uid: str, state: str = "RUNNING") -> Job:
    return Job(number=7, pod_uid=uid, state=state)


class TestServers:
    @pytest.mark.parametrize("number", [1, 255, 256, 65_536, 4_194_304 + 7])
    def test_a_job_is_called_at_the_address_that_its_script_computes(self, number: int) -> None:
        script = job_script(data_folder="/d", namespace="jobs", tunnel_client="", pre_stop_seconds=1)
        (line,) = [each for each in script.splitlines() if each.startswith(f"export {ADDRESS_VARIABLE}=")]
        command = ["bash", "-c", f'{line}; echo "${ADDRESS_VARIABLE}"']
        printed = subprocess.run(
            command, env={"SLURM_JOB_ID": str(number)}, capture_output=True, text=True, check=True
        ).stdout.strip()
        assert Job(number=number, pod_uid="u", state="RUNNING").address == printed

    def test_jobs_are_read_from_squeue(self) -> None:
        assert jobs_of("7 u1 RUNNING\n") == [job("u1")]
        assert jobs_of("") == []

    def test_each_job_has_its_own_tunnel_pod(self) -> None:
        pods = [
            virtual_pod("a", "u1"),
            virtual_pod("ab", "u2"),
            tunnel_pod("ab", "10.0.0.2"),
            tunnel_pod("a", "10.0.0.1"),
        ]
        found = paired(pods, [job("u1"), job("u2")])
        assert [(server.job.pod_uid, server.tunnel_address) for server in found] == [
            ("u1", "10.0.0.1"),
            ("u2", "10.0.0.2"),
        ]

    @pytest.mark.parametrize(
        ("pods", "state"),
        [
            ([virtual_pod("a", "u1"), tunnel_pod("a", "10.0.0.1")], "PENDING"),
            ([virtual_pod("a", "u1"), tunnel_pod("a", "10.0.0.1", "False")], "RUNNING"),
            ([virtual_pod("a", "u1")], "RUNNING"),
            ([virtual_pod("a", "u1", deletionTimestamp="now"), tunnel_pod("a", "10.0.0.1")], "RUNNING"),
        ],
        ids=["waits in the queue", "its tunnel is not ready", "has no tunnel", "is being deleted"],
    )
    def test_a_server_that_does_not_serve_is_not_measured(self, pods: list[dict[str, Any]], state: str) -> None:
        assert paired(pods, [job("u1", state)]) == []

    def test_a_line_of_the_watch_is_a_pod_that_may_have_no_address_yet(self) -> None:
        assert parsed("wstunnel-a|u1|10.0.0.1|True\n") == SeenPod("wstunnel-a", "u1", "10.0.0.1", "True")
        assert parsed("a|u2||\n") == SeenPod("a", "u2", "", "")


class TestParts:
    REACHED: ClassVar = dict(zip([*PARTS, FIRST_ANSWER], [0.5, 3.0, 4.0, 5.0, 9.0, 8.0, 11.0, 15.0], strict=True))

    def test_parts_add_up_to_the_last_of_their_ends(self) -> None:
        assert sum(parts(self.REACHED).values()) == pytest.approx(11.0)

    def test_a_part_that_ends_beside_a_longer_one_adds_nothing(self) -> None:
        added = parts(self.REACHED)
        assert (added["models"], added["tunnel"], added["probe"]) == (4.0, 0.0, 2.0)

    def test_the_whole_is_compared_with_the_sum_of_its_parts(self) -> None:
        whole, *of_parts = scale_up.rows([self.REACHED], rejected="")
        assert (whole.theirs, whole.ours, whole.ratio[:4]) == ("11.0", "15.0", "1.36")
        assert len(of_parts) == len(PARTS)


def path_turns(tunnel: float, *, last_direct: float = 1.0) -> Turns:
    blocks = [{DIRECT: [0.001 * direct] * 10, TUNNEL: [0.001 * tunnel] * 10, WHOLE: [0.002] * 10}
              for direct in (1.0, 1.0, last_direct)]  # fmt: skip
    return Turns(blocks=blocks)


class TestPath:
    SCENARIO = PathLatency(title="1 B", body_bytes=1, rounds=10, blocks=3)

    @pytest.mark.parametrize(("tunnel", "reached"), [(1.39, True), (1.41, False)])
    def test_the_aim_is_on_the_median_through_the_tunnel(self, tunnel: float, reached: bool) -> None:
        rows = self.SCENARIO.rows(path_turns(tunnel))
        assert [row.reached for row in rows] == [reached, None, None, None]
        assert (rows[0].theirs, rows[0].ours) == ("1.00", f"{tunnel}")

    def test_figures_of_a_machine_that_changed_are_rejected(self) -> None:
        rows = self.SCENARIO.rows(path_turns(1.2, last_direct=1.2))
        assert all("direct p50 moved" in row.rejected for row in rows)


def chep_turns() -> dict[int, Turns]:
    blocks = [{leg: [0.01 * (position + 1)] for position, leg in enumerate(LEGS)} for _ in range(2)]
    return {batch: Turns(blocks=blocks) for batch in (1, 10, 50)}


class TestChep:
    def test_each_deployment_is_compared_with_kubernetes_on_the_same_way(self) -> None:
        rows = {row.measure: row for row in chep_comparison.rows(chep_turns())}
        assert rows[f"batch 1, {BOTH}: p50, ms, / {KUBERNETES}"].ratio == "2.00 [2.00, 2.00]"
        way = f"batch 50, {SLURM}{THROUGH_ENVOY}: p50, ms, / {KUBERNETES}{THROUGH_ENVOY}"
        assert (rows[way].theirs, rows[way].ours, rows[way].ratio) == ("40.0", "60.0", "1.50 [1.50, 1.50]")

    def test_the_table_has_latency_and_jets_per_second_of_every_leg(self) -> None:
        header, _, *lines = chep_comparison.table(chep_turns()).splitlines()
        assert [cell.strip() for cell in header.strip("|").split("|")] == ["batch", *LEGS]
        assert [cell.strip() for cell in lines[-1].strip("|").split("|")][:2] == ["50", "10.0 ms, 5,000/s"]

    def test_the_plot_names_every_leg_and_is_the_same_for_the_same_figures(self, tmp_path: Path) -> None:
        curves = [Curve(name=leg, p50_ms={1: 1.0, 10: 5.0}) for leg in LEGS]
        files = [tmp_path / "a.svg", tmp_path / "b.svg"]
        for file in files:
            draw(curves, baseline=KUBERNETES, file=file)
        first, second = (file.read_text() for file in files)
        assert first == second
        assert all(leg in first for leg in LEGS)

    def test_a_request_has_the_inputs_of_the_model(self) -> None:
        text = (MODELS / grpc_messages.PARTICLENET / "config.pbtxt").read_text()
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
        assert {each.name: tuple(each.dims) for each in config.input} == grpc_messages.JET_SHAPES
        assert max(chep_comparison.BATCHES) <= config.max_batch_size
        message = service_pb2.ModelInferRequest.FromString(grpc_messages.particlenet(50))
        sizes = [4 * math.prod(each.shape) for each in message.inputs]
        assert sizes == [len(raw) for raw in message.raw_input_contents]
        assert {each.shape[0] for each in message.inputs} == {50}


class TestDeployment:
    @pytest.fixture(scope="class")
    def shown(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        """The resolved stack with the override."""
        program = tmp_path_factory.mktemp("program")
        shutil.copytree(CHECKOUT / "stacks", program / "stacks")
        file = program / f"Pulumi.{STACK}.yaml"
        document = yaml.safe_load((CHECKOUT / file.name).read_text())
        document["config"]["sonic:override"] = override(SITE, Path("/models-of-the-run"))
        file.write_text(yaml.safe_dump(document))
        command = [sys.executable, "-m", "stacks", "show", STACK]
        run = subprocess.run(command, cwd=program, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return dict(yaml.safe_load(run.stdout))

    def test_the_stack_takes_the_override(self, shown: dict[str, Any]) -> None:
        (pool,) = shown["site"]["pools"]
        assert pool["binds"] == [{"source": "/models-of-the-run", "target": "/models"}]
        assert PACED in [model["name"] for model in shown["experiment"]["models"]["expected"]]

    def test_tunnels_have_the_size_of_a_stack_that_says_nothing(self, shown: dict[str, Any]) -> None:
        (own,), (node,) = SITE["virtual_nodes"], resolve(STACK).config.site.virtual_nodes
        (tunnel,) = [each["tunnel"] for each in shown["site"]["virtual_nodes"]]
        assert tunnel.get("cpu_cores", 0.5) == type(node.tunnel).model_fields["cpu_cores"].default
        assert own["tunnel"]["cpu_cores"] != 0.5

    def test_the_server_in_a_pod_runs_the_command_of_the_jobs_on_every_address(self) -> None:
        (deployment,) = [
            each
            for each in recorded(STACK).manifests()
            if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-triton-t4")
        ]
        template = deployment["spec"]["template"]
        _, pod = manifests(template, Path("/models-of-the-run"))
        (container,), (of_job,) = pod["spec"]["containers"], template["spec"]["containers"]
        assert container["command"] == of_job["command"]
        assert {"name": ADDRESS_VARIABLE, "value": "0.0.0.0"} in container["env"]  # noqa: S104
        assert of_job["image"].endswith(container["image"])


class TestAgent:
    def test_the_agent_sees_every_server_of_the_stand_ins(self, tmp_path: Path) -> None:
        with SlurmSite(tmp_path) as site:
            found = agent_looks.look(site, servers=3)
        assert len(found["seconds"]) == 2
        assert all(f'sonic_janitor_findings{{finding="{kind}"}} 0.0' in found["metrics"] for kind in ("orphan-job",
                   "lost-pod", "leaked-tunnel"))  # fmt: skip

    def test_a_process_above_its_memory_misses_the_aim(self) -> None:
        looks = [{"seconds": [1.0, 0.1], "peak_mib": 129.0}, {"seconds": [6.0, 0.1], "peak_mib": 20.0}]
        assert [row.reached for row in agent_looks.rows(looks)] == [False, True, False]
