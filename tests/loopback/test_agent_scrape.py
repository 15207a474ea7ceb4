"""A real Prometheus, as the stack configures its own, reads a real agent by TLS."""

import json
import urllib.parse
from pathlib import Path
from typing import Any

from components.monitoring import AgentTarget, MonitoringArgs, config_files
from components.monitoring.agents import CERTIFICATES_FOLDER
from components.monitoring.rules import groups
from components.naming import Naming
from components.server_pool import Queue
from components.virtual_node.agent.__main__ import serve
from components.virtual_node.agent.look import Agent
from components.virtual_node.agent.settings import Settings, Tls
from stacks.schema.site import OwnPrometheus
from testbed.authority import Authority
from testbed.child_process import Process
from testbed.loopback import free_port, http
from tests.support.rule_tests import facts
from tests.support.server_pools import a_pool
from tests.support.tools import tool

NODE = "interlink-hammer"
HAMMER = a_pool(host="hammer", queue=Queue(virtual_node=NODE, wait_seconds=600, start_seconds=60))
FACTS = facts(instance="sonic-cms", pools=(HAMMER,))


def settings(folder: Path) -> Settings:
    (folder / "api.crt").write_text(Authority("api").certificate)
    tls = Tls(*(str(folder / name) for name in ("host.crt", "host.key", "readers.crt")))
    return Settings(NODE, "/jobs", "/usr/bin", "/server", "/token", str(folder / "api.crt"), (), port=0, tls=tls)


def an_agent(settings: Settings) -> Agent:
    """Return an agent that has never looked, with metrics of two stacks."""
    agent = Agent(settings)
    for instance in ("sonic-cms", "sonic-atlas"):
        agent.metrics.set("sonic_slurm_queue_wait_seconds", 90, sonic_instance=instance, pool="gpu")
    agent.metrics.set("sonic_agent_answered", 1, source="slurm")
    return agent


def files(folder: Path, agent_port: int) -> None:
    """Write the files of the own Prometheus, without the scrape that needs a cluster."""
    args = MonitoringArgs(
        naming=Naming(instance="sonic-cms", namespace="cms"),
        prometheus=OwnPrometheus(kind="own"),
        servers=(),
        proxies=FACTS.pools[0].metrics,
        secrets={},
        agents=(
            AgentTarget(virtual_node=NODE, url=f"https://localhost:{agent_port}", certificate_secret="any"),  # noqa: S106
        ),
        rule_groups=groups(FACTS),
        image="prometheus:v3",
        api_server_port=6443,
    )
    for name, text in config_files(args, OwnPrometheus(kind="own")).items():
        content = json.loads(text.replace(CERTIFICATES_FOLDER, str(folder)))
        if "scrape_configs" in content:
            content["scrape_configs"] = [
                {**content["scrape_configs"][0], "scrape_interval": "1s", "scrape_timeout": "1s"}
            ]
        (folder / name).write_text(json.dumps(content))


def test_the_own_prometheus_reads_the_agent_and_knows_its_rules(tmp_path: Path) -> None:
    hosts, readers = Authority("hosts"), Authority("readers")
    host, reader = hosts.sign_host("localhost"), readers.sign("prometheus")
    shown = tmp_path / NODE
    shown.mkdir()
    for name, text in (("ca.crt", hosts.certificate), ("tls.crt", reader.certificate), ("tls.key", reader.key)):
        (shown / name).write_text(text)
    for name, text in (("host.crt", host.certificate), ("host.key", host.key), ("readers.crt", readers.certificate)):
        (tmp_path / name).write_text(text)
    server = serve(an_agent(settings(tmp_path)), settings(tmp_path))
    files(tmp_path, server.server_address[1])
    port = free_port()
    command = [
        str(tool("prometheus")),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def asked(path: str) -> Any:
        return json.loads(http(port, path)[1])["data"]

    def series(query: str) -> list[dict[str, str]]:
        found = asked(f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")["result"]
        return [each["metric"] for each in found]

    def answers() -> bool:
        try:
            ready = http(port, "/-/ready")[0] == 200
            return ready and series(f'up{{virtual_node="{NODE}"}} == 1') != []
        except OSError:
            return False

    with Process(command, log=tmp_path / "log") as prometheus:
        prometheus.await_that(answers, "the agent to be read")
        waits = series("sonic_slurm_queue_wait_seconds")
        assert [each["sonic_instance"] for each in waits] == ["sonic-cms"], "of another stack"
        assert [each["source"] for each in series("sonic_agent_answered")] == ["slurm"]
        rules = [rule for group in asked("/api/v1/rules")["groups"] for rule in group["rules"]]
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
        known = {rule["name"] for rule in rules}
        assert {"SonicSlurmAgentSilent", "pool:sonic_gpu_hours:1h"} <= known
    server.shutdown()
    server.server_close()
