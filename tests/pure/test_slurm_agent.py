"""The agent of a Slurm cluster, before stand-ins for Slurm's commands and for the API server."""

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from components import labels
from components.virtual_node.agent import cluster, slurm
from components.virtual_node.agent.__main__ import serve
from components.virtual_node.agent.cluster import Pod, Tunnel
from components.virtual_node.agent.janitor import Finding, Memory, findings
from components.virtual_node.agent.look import Agent
from components.virtual_node.agent.renewal import due
from components.virtual_node.agent.settings import Settings, Tls, read
from components.virtual_node.agent.slurm import Job, SlurmError, parsed, wait_seconds
from testbed.authority import Authority, Credentials
from testbed.loopback import LOOPBACK
from testbed.slurm_site import DATA_FOLDER, POOL, SlurmSite, a_deployment, a_pod, a_tunnel, line, slurm_time
from tests.support.tools import tool

NOW = 1_800_000_000.0


def job(**facts: Any) -> Job:
    defaults: dict[str, Any] = {
        "id": "7",
        "pod_uid": "u1",
        "state": "RUNNING",
        "submitted": NOW,
        "started": NOW,
        "ends": NOW + 3600,
    }
    return Job(**(defaults | facts))


def pod(**facts: Any) -> Pod:
    defaults: dict[str, Any] = {
        "namespace": "cms",
        "name": "triton-a",
        "uid": "u1",
        "phase": "Running",
        "job": "7",
        "created": NOW,
        "deleted": None,
        "instance": "sonic-cms",
        "pool": "hammer",
    }
    return Pod(**(defaults | facts))


def tunnel(name: str = "wstunnel-triton-a-cms") -> Tunnel:
    return Tunnel("cms", name, NOW)


def kinds(jobs: list[Job], pods: list[Pod], tunnels: list[Tunnel]) -> list[tuple[str, str]]:
    return [(found.kind, found.name) for found in findings(jobs, pods, tunnels, now=NOW)]


@pytest.mark.parametrize(
    ("jobs", "pods", "tunnels", "expected"),
    [
        ([job()], [pod()], [tunnel()], []),
        ([job(state="PENDING", started=None)], [pod(phase="Pending")], [tunnel()], []),
        ([], [pod(phase="Pending", job="")], [], []),
        ([job()], [], [], [("orphan-job", "7")]),
        ([job(state="PENDING")], [pod(uid="u2", job="8"), pod(uid="u1", name="b")], [], [("lost-pod", "triton-a")]),
        ([job(state="COMPLETED")], [], [], []),
        ([], [pod()], [tunnel()], [("lost-pod", "triton-a")]),
        ([job(state="CANCELLED")], [pod()], [tunnel()], [("lost-pod", "triton-a")]),
        ([job(state="FAILED")], [pod(phase="Failed")], [tunnel()], [("ended-pod", "triton-a")]),
        ([job()], [pod(deleted=NOW - 1)], [tunnel()], []),
        ([], [pod(deleted=NOW + 1)], [tunnel()], []),
        ([job(state="COMPLETED")], [pod(deleted=NOW - 1)], [tunnel()], [("stuck-pod", "triton-a")]),
        ([], [], [tunnel()], [("leaked-tunnel", "wstunnel-triton-a-cms")]),
        ([job()], [pod(namespace="atlas")], [tunnel()], [("leaked-tunnel", "wstunnel-triton-a-cms")]),
    ],
)
def test_what_slurm_and_kubernetes_disagree_on_is_found(
    jobs: list[Job], pods: list[Pod], tunnels: list[Tunnel], expected: list[tuple[str, str]]
) -> None:
    assert kinds(jobs, pods, tunnels) == expected


def look(memory: Memory, found: list[Finding], *, now: float) -> list[Finding]:
    memory.see(found, now=now)
    return memory.due(found, now=now, grace_seconds=600)


def test_only_what_each_look_of_the_grace_period_saw_is_due() -> None:
    memory, found = Memory(), list(findings([job()], [], [], now=NOW))
    assert look(memory, found, now=NOW) == []
    assert look(memory, [], now=NOW + 300) == []
    assert look(memory, found, now=NOW + 600) == [], "it was gone in between"
    assert look(memory, found, now=NOW + 1200) == found


@pytest.mark.parametrize(
    ("jobs", "first", "soon"),
    [
        ([job(state="FAILED")], {}, ["triton-a"]),
        ([], {"job": ""}, ["triton-a"]),
        ([job()], {}, []),
        ([job()], {"job": ""}, []),
        ([], {"pool": "other"}, []),
        ([], {"instance": "sonic-atlas"}, []),
    ],
)
def test_an_ended_pod_goes_early_if_its_job_is_gone_and_a_later_one_of_its_pool_keeps_a_log(
    jobs: list[Job], first: dict[str, str], soon: list[str]
) -> None:
    later = pod(name="triton-b", uid="u2", job="8", phase="Failed", created=NOW + 90)
    pods = [later, pod(phase="Failed", **first)]
    memory, found = Memory(), list(findings(jobs, pods, [], now=NOW))
    assert look(memory, found, now=NOW) == []
    assert [each.name for each in look(memory, found, now=NOW + 60)] == soon
    assert memory.overdue(found, now=NOW + 60, grace_seconds=600) == [], "no alert is due"
    assert {each.name for each in look(memory, found, now=NOW + 600)} == {"triton-a", "triton-b"}


def test_an_ended_pod_stays_if_the_later_one_is_on_its_way_out() -> None:
    later = pod(name="triton-b", uid="u2", job="8", phase="Failed", created=NOW + 90, deleted=NOW + 30)
    memory, found = Memory(), list(findings([], [later, pod(phase="Failed")], [], now=NOW))
    look(memory, found, now=NOW)
    assert look(memory, found, now=NOW + 60) == []


def test_pods_outside_pools_wait_for_the_grace_period() -> None:
    pods = [pod(name=name, uid=name, phase="Failed", pool="", instance="", created=NOW) for name in ("a", "b")]
    memory, found = Memory(), list(findings([], pods, [], now=NOW))
    look(memory, found, now=NOW)
    assert look(memory, found, now=NOW + 60) == []


def test_a_line_of_squeue_is_read() -> None:
    found = parsed(line(), DATA_FOLDER)
    assert found is not None
    assert (found.id, found.pod_uid, found.active) == ("7", "u1", True)
    assert (found.ends or 0) - (found.started or 0) == 4 * 3600


def test_a_job_of_somebody_else_is_left_alone() -> None:
    assert parsed(line(script="/home/physicist/job.sh"), DATA_FOLDER) is None
    assert parsed(line(script=f"{DATA_FOLDER}-other/cms-u1/job.slurm"), DATA_FOLDER) is None


def test_a_waiting_job_without_a_forecast_has_no_times() -> None:
    found = parsed(line(state="PENDING", started="N/A", ends="Unknown"), DATA_FOLDER)
    assert found is not None
    assert (found.started, found.ends) == (None, None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SlurmSite]:
    with SlurmSite(tmp_path) as site:
        yield site


def test_a_dry_run_changes_nothing_and_counts_what_it_would_do(
    site: SlurmSite, capsys: pytest.CaptureFixture[str]
) -> None:
    site.queue(line())
    agent = Agent(site.settings)
    agent.look()
    assert site.cancelled == []
    assert 'sonic_janitor_actions_total{finding="orphan-job",outcome="dry-run"} 1.0' in agent.metrics.text()
    told = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    (acted,) = [each for each in told if each["agent"] == "dry-run"]
    assert (acted["kind"], acted["name"]) == ("orphan-job", "7")
    assert acted["reason"] == "job 7 is RUNNING and no pod has the uid u1"


def test_an_agent_that_acts_ends_every_disagreement(site: SlurmSite) -> None:
    site.queue(line(id="9", name="nobody"), line(id="8", name="u2", state="FAILED"))
    site.pods = [a_pod("u1", "lost"), a_pod("u2", "ended", phase="Failed")]
    site.tunnels = [a_tunnel("wstunnel-gone-cms")]
    Agent(replace(site.settings, act=True)).look()
    assert site.cancelled == ["9"]
    assert [each for each in site.asked if each.startswith("DELETE")] == [
        "DELETE /api/v1/namespaces/cms/pods/lost",
        "DELETE /api/v1/namespaces/cms/pods/ended",
        "DELETE /apis/apps/v1/namespaces/cms/deployments/wstunnel-ended-cms",
        "DELETE /api/v1/namespaces/cms/services/wstunnel-ended-cms",
        "DELETE /apis/networking.k8s.io/v1/namespaces/cms/ingresses/wstunnel-ended-cms",
        "DELETE /apis/apps/v1/namespaces/cms/deployments/wstunnel-gone-cms",
        "DELETE /api/v1/namespaces/cms/services/wstunnel-gone-cms",
        "DELETE /apis/networking.k8s.io/v1/namespaces/cms/ingresses/wstunnel-gone-cms",
    ]


def test_a_look_does_no_more_than_its_bound(site: SlurmSite) -> None:
    site.queue(*(line(id=str(number), name=f"nobody-{number}") for number in range(40)))
    Agent(replace(site.settings, act=True, actions_max=3)).look()
    assert len(site.cancelled) == 3


@pytest.mark.parametrize(("broken", "source"), [("squeue", "slurm"), ("token", "kubernetes")])
def test_nothing_is_done_on_half_of_the_facts(site: SlurmSite, broken: str, source: str) -> None:
    site.queue(line())
    if broken == "squeue":
        site.command("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
        site.pods = [a_pod("u1", "triton-a")]
    else:
        (site.folder / "token").unlink()
    agent = Agent(replace(site.settings, act=True))
    agent.look()
    assert site.cancelled == []
    assert not any(each.startswith("DELETE") for each in site.asked)
    assert "sonic_agent_last_look_timestamp_seconds" not in agent.metrics.text()
    assert f'sonic_agent_answered{{source="{source}"}} 0.0' in agent.metrics.text()


@pytest.mark.parametrize(
    ("conditions", "ready", "connected"),
    [
        ({"Ready": "True", "InterlinkConnectivity": "True"}, 1, 1),
        ({"Ready": "Unknown", "InterlinkConnectivity": "True"}, 0, 1),
        ({"Ready": "False", "InterlinkConnectivity": "False"}, 0, 0),
        ({}, 0, 0),
    ],
)
def test_the_virtual_node_is_as_its_conditions_say(
    site: SlurmSite, conditions: dict[str, str], ready: int, connected: int
) -> None:
    site.conditions = conditions
    agent = Agent(site.settings)
    agent.look()
    text = agent.metrics.text()
    assert f'sonic_virtual_node_condition{{condition="Ready"}} {ready}.0' in text
    assert f'sonic_virtual_node_condition{{condition="InterlinkConnectivity"}} {connected}.0' in text


ENDED = 'sonic_slurm_ended_jobs_total{end="%s",pool="hammer",sonic_instance="sonic-cms"} %s'


@pytest.mark.parametrize(
    ("state", "planned", "early"),
    [
        ("RUNNING", "0.0", "0.0"),
        ("COMPLETED", "1.0", "0.0"),
        ("CANCELLED", "1.0", "0.0"),
        ("NODE_FAIL", "0.0", "1.0"),
        ("OUT_OF_MEMORY", "0.0", "1.0"),
        ("TIMEOUT", "0.0", "1.0"),
    ],
)
def test_a_job_that_ends_counts_once_for_its_pool(site: SlurmSite, state: str, planned: str, early: str) -> None:
    site.pods = [a_pod("u1", "triton-a")]
    agent = Agent(site.settings)
    site.queue(line(ends=slurm_time(1e6)))
    agent.look()
    site.queue(line(state=state, ends=slurm_time(1e6)))
    site.pods = []
    agent.look()
    agent.look()
    assert ENDED % ("planned", planned) in agent.metrics.text()
    assert ENDED % ("early", early) in agent.metrics.text()


def test_a_job_that_begins_and_ends_between_two_looks_counts(site: SlurmSite) -> None:
    site.queue(line(id="6", name="u0", state="FAILED"))
    site.pods = [a_pod("u0", "triton-old"), a_pod("u1", "triton-a")]
    agent = Agent(site.settings)
    agent.look()
    assert ENDED % ("early", "0.0") in agent.metrics.text(), "it ended before the agent began"
    site.queue(line(id="6", name="u0", state="FAILED"), line(state="FAILED"))
    agent.look()
    assert ENDED % ("early", "1.0") in agent.metrics.text()


def test_a_pool_without_a_running_job_shows_zero(site: SlurmSite) -> None:
    agent = Agent(site.settings)
    agent.look()
    assert 'sonic_slurm_jobs{pool="hammer",sonic_instance="sonic-cms",state="RUNNING"} 0.0' in agent.metrics.text()


def test_a_disagreement_is_overdue_after_the_grace_period(site: SlurmSite) -> None:
    site.queue(line())
    for grace, overdue in ((0, "1.0"), (600, "0.0")):
        agent = Agent(replace(site.settings, grace_seconds=grace))
        agent.look()
        assert 'sonic_janitor_findings{finding="orphan-job"} 1.0' in agent.metrics.text()
        assert f'sonic_janitor_overdue{{finding="orphan-job"}} {overdue}' in agent.metrics.text()


@contextmanager
def metrics_of(settings: Settings) -> Iterator[int]:
    """Serve the metrics of an agent on a free port."""
    server = serve(Agent(settings), replace(settings, port=0))
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_without_certificates_only_its_own_host_reads_the_metrics(site: SlurmSite) -> None:
    with metrics_of(site.settings) as port:
        assert urlopen(f"http://{LOOPBACK}:{port}/metrics").status == 200
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=1)


def write(folder: Path, name: str, credentials: Credentials) -> tuple[str, str]:
    """Write a certificate and its key; return their paths."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_text(credentials.certificate)
    key.write_text(credentials.key)
    return str(certificate), str(key)


def test_with_certificates_prometheus_alone_reads_the_metrics(
    site: SlurmSite, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts, readers, others = Authority("hosts"), Authority("readers"), Authority("others")
    folder = site.folder
    certificate_file, key_file = write(folder, "host", hosts.sign_host("localhost"))
    (folder / "prometheus.crt").write_text(readers.certificate)
    tls = Tls(certificate_file, key_file, str(folder / "prometheus.crt"))

    def status(*client: str) -> int:
        context = ssl.create_default_context(cadata=hosts.certificate)
        if client:
            context.load_cert_chain(*client)
        with urlopen(f"https://localhost:{port}/metrics", context=context) as answer:
            found: int = answer.status
            return found

    with metrics_of(replace(site.settings, tls=tls)) as port:
        with socket.create_connection((LOOPBACK, port)):
            assert status(*write(folder, "reader", readers.sign("prometheus"))) == 200, "one that says nothing waits"
        for client in ((), write(folder, "other", others.sign("prometheus"))):
            with pytest.raises(OSError, match=r"certificate required|unknown ca|reset|EOF"):
                status(*client)
        hosts = Authority("renewed")
        write(folder, "host", hosts.sign_host("localhost"))
        assert status(*write(folder, "reader", readers.sign("prometheus"))) == 200
    assert "refused a caller" in capfd.readouterr().err


def test_a_certificate_that_is_missing_is_told_at_the_start(site: SlurmSite) -> None:
    tls = Tls(str(site.folder / "none"), str(site.folder / "none"), str(site.folder / "none"))
    with pytest.raises(OSError, match="No such file"):
        serve(Agent(site.settings), replace(site.settings, tls=tls, port=0))


def test_the_forecast_is_the_time_until_the_start(site: SlurmSite) -> None:
    start = slurm_time(900)
    site.command(
        "sbatch", f'echo "$@" > {site.folder}/flags\necho "sbatch: Job 11 to start at {start} using 1 processors" >&2'
    )
    assert wait_seconds(site.settings, POOL.flags) == pytest.approx(900, abs=3)
    assert (site.folder / "flags").read_text().split() == [
        *("--test-only", "--account=cms", "--gres=gpu:1", "--wrap=true")
    ]


def test_a_forecast_as_long_as_the_life_of_the_pools_own_servers_restarts_none(site: SlurmSite) -> None:
    """In a partition that the pool fills, a further job would start when the first server ends."""
    site.queue(line(ends=slurm_time(7200)))
    site.pods = [a_pod("u1", "triton-a")]
    site.forecast(7200)
    agent = Agent(site.settings)
    agent.look()
    assert "sonic_slurm_queue_wait_seconds" in agent.metrics.text()
    assert "sonic_agent_renewals_total" not in agent.metrics.text()


def test_a_job_that_slurm_would_refuse_is_no_forecast(site: SlurmSite) -> None:
    site.command("sbatch", "echo 'allocation failure: Requested node configuration is not available' >&2; exit 1")
    with pytest.raises(SlurmError, match="Requested node configuration is not available"):
        wait_seconds(site.settings, POOL.flags)
    agent = Agent(site.settings)
    agent.look()
    assert 'sonic_slurm_forecast_success{pool="hammer",sonic_instance="sonic-cms"} 0.0' in agent.metrics.text()


def test_prometheus_takes_the_metrics(site: SlurmSite) -> None:
    site.queue(line(), line(id="8", name="u2", state="PENDING", started="N/A"))
    site.pods = [a_pod("u1", "triton-a"), a_pod("u2", "triton-b", annotations={"JobID": "8"})]
    agent = Agent(site.settings)
    agent.look()
    agent.look()
    text = agent.metrics.text()
    assert 'sonic_slurm_jobs{pool="hammer",sonic_instance="sonic-cms",state="PENDING"} 1.0' in text
    check = [str(tool("promtool")), "check", "metrics"]
    checked = subprocess.run(check, input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_300_pods_and_jobs_are_five_calls_of_kubernetes(site: SlurmSite) -> None:
    site.fill(300)
    agent = Agent(site.settings)
    agent.look()
    assert site.asked == [
        "GET /api/v1/nodes/interlink-hammer",
        *["GET /api/v1/pods"] * 2,  # by pages
        *["GET /apis/apps/v1/namespaces/cms/deployments"] * 2,
    ]
    assert 'state="RUNNING"} 300.0' in agent.metrics.text()


def test_the_program_runs_from_its_folder_and_tells_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.json"
    file.write_text("{}")
    run = subprocess.run(
        [sys.executable, "-m", "agent", str(file)],
        cwd=Path(slurm.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (
        1,
        f"{file}: 'pools': write it again by `python -m stacks edge`\n",
    )


def test_the_settings_are_read_back(tmp_path: Path) -> None:
    tls = Tls("/tls.crt", "/tls.key", "/prometheus.crt")
    settings = Settings("node", DATA_FOLDER, "/usr/bin", "https://api", "/token", "/ca.crt", (POOL,), tls=tls, act=True)
    file = tmp_path / "agent.json"
    file.write_text(json.dumps(asdict(settings)))
    assert read(file) == settings


@pytest.mark.parametrize(
    ("seconds_left", "expected"),
    [
        ([], False),
        ([3600], False),
        ([800], True),  # one step of 720 s and the margin of 120 s are 840 s
        ([3600, 3600, 3600, 3600], False),  # the fourth has its turn after 2,880 s
        ([2900, 2900, 2900, 2900], True),
        ([1000, 2000, 3000], False),  # as far apart as a restart left them
    ],
)
def test_servers_are_replaced_when_the_last_turn_would_come_too_late(seconds_left: list[float], expected: bool) -> None:
    assert due([NOW + seconds for seconds in seconds_left], now=NOW, step_seconds=720, at_once=1) is expected


def test_a_deployment_that_replaces_several_at_once_needs_fewer_turns() -> None:
    ends = [NOW + 2900] * 4
    assert not due(ends, now=NOW, step_seconds=720, at_once=2)


RESTART = f"PATCH /apis/apps/v1/namespaces/cms/deployments/{POOL.deployment}"
COST = "PATCH /api/v1/namespaces/cms/pods/triton-a"


@pytest.mark.parametrize(
    ("left", "act", "status", "changed"),
    [
        (3600, True, {}, [COST]),
        (600, True, {}, [COST, RESTART]),
        (600, False, {}, []),
        (600, True, {"updatedReplicas": 1}, [COST]),
        (600, True, {"observedGeneration": 2}, [COST]),
    ],
)
def test_a_pool_is_restarted_before_its_jobs_end_and_not_while_it_rolls(
    site: SlurmSite, left: float, act: bool, status: dict[str, int], changed: list[str]
) -> None:
    site.queue(line(ends=slurm_time(left)))
    site.pods, site.deployment = [a_pod("u1", "triton-a")], a_deployment(replicas=2, **status)
    Agent(replace(site.settings, act=act)).look()
    assert [each for each in site.asked if each.startswith("PATCH")] == changed


def test_a_pod_that_knows_the_end_of_its_job_is_left_alone(site: SlurmSite) -> None:
    end = slurm_time(3600)
    site.queue(line(ends=end))
    minute = str(int(time.mktime(time.strptime(end, "%Y-%m-%dT%H:%M:%S")) // 60))
    annotations = {"JobID": "7", "controller.kubernetes.io/pod-deletion-cost": minute}
    site.pods = [a_pod("u1", "triton-a", annotations=annotations)]
    Agent(replace(site.settings, act=True)).look()
    assert not any(each.startswith("PATCH") for each in site.asked)


def test_the_labels_that_the_agent_looks_for_are_those_of_the_pods() -> None:
    """It imports nothing of the program, since it runs on hosts of HPC sites."""
    assert cluster.POOL_LABEL == labels.POOL_LABEL
    assert {cluster.TUNNEL_LABEL: "true"} == labels.TUNNEL_LABEL
    assert cluster.INSTANCE_LABEL in labels.instance_selector("sonic-cms")
