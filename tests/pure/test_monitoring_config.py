"""Configuration of the stack's own Prometheus, checked by promtool, and the edges of its pod."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.labels import POOL_LABEL
from components.monitoring import AgentTarget, MonitoringArgs, config_files, network_policy_spec
from components.monitoring.agents import CERTIFICATES_FOLDER
from components.monitoring.configuration import configuration
from components.monitoring.deployment import deployment_spec
from components.naming import Naming
from components.server_pool import MetricTarget
from stacks.schema.site import OwnPrometheus
from testbed.authority import Authority
from tests.support.tools import tool

SERVERS = MetricTarget(name="server-metrics", namespace="cms", labels={"part": "servers"}, port=8002, path="/metrics")
PROXIES = MetricTarget(
    name="envoy-metrics", namespace="cms", labels={"part": "proxies"}, port=9902, path="/stats/prometheus"
)

AGENT = AgentTarget(
    virtual_node="interlink-hammer",
    url="https://slurm.example.org:9910",
    certificate_secret="slurm-agent",  # noqa: S106
)


def own(**changes: int) -> OwnPrometheus:
    return OwnPrometheus.model_validate({"kind": "own", **changes})


def args(**changes: Any) -> MonitoringArgs:
    defaults: dict[str, Any] = {
        "naming": Naming(instance="sonic-cms", namespace="cms"),
        "prometheus": own(),
        "servers": (SERVERS,),
        "proxies": PROXIES,
        "secrets": {},
        "agents": (),
        "rule_groups": [],
        "image": "example.org/prometheus:v3.10.0",
        "api_server_port": 6443,
        "keda_namespace": "keda",
    }
    return MonitoringArgs(**{**defaults, **changes})


@pytest.mark.parametrize("scrape_interval_seconds", [1, 2, 60])
def test_prometheus_takes_the_configuration(scrape_interval_seconds: int, tmp_path: Path) -> None:
    prometheus = own(scrape_interval_seconds=scrape_interval_seconds)
    for name, text in config_files(args(agents=(AGENT,)), prometheus).items():
        (tmp_path / name).write_text(text.replace(CERTIFICATES_FOLDER, str(tmp_path)))
    made = Authority("agent").sign_host("slurm.example.org")
    folder = tmp_path / AGENT.virtual_node
    folder.mkdir()
    for name, text in (("ca.crt", made.certificate), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_text(text)
    command = [str(tool("promtool")), "check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_only_pods_of_this_instance_in_this_namespace_are_seen() -> None:
    (job,) = configuration(args(), own())["scrape_configs"]
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"] == {"names": ["cms"]}
    assert discovery["selectors"] == [{"role": "pod", "label": "app.kubernetes.io/instance=sonic-cms"}]


def test_every_series_says_whose_it_is() -> None:
    (job,) = configuration(args(), own())["scrape_configs"]
    sources = {rule["target_label"]: rule["source_labels"] for rule in job["relabel_configs"] if "target_label" in rule}
    pool_label = POOL_LABEL.replace(".", "_").replace("/", "_")
    assert sources["pool"] == [f"__meta_kubernetes_pod_label_{pool_label}"]
    assert {"namespace", "pod", "pool", "component"} <= sources.keys()


def test_an_agent_is_read_by_tls_with_certificates_that_the_pod_mounts() -> None:
    agent, _ = configuration(args(agents=(AGENT,)), own())["scrape_configs"]
    assert agent["static_configs"] == [
        {"targets": ["slurm.example.org:9910"], "labels": {"virtual_node": "interlink-hammer"}}
    ]
    pod = deployment_spec(args(agents=(AGENT,)), own(), config_map_name="config")["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if "secret" in each]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"]]
    files = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
    assert set(agent["tls_config"].values()) == files
    assert volume["secret"]["secretName"] == "slurm-agent"


def test_an_agent_is_reached_on_its_port() -> None:
    edges = network_policy_spec(args(agents=(AGENT,)))["egress"]
    assert {"ports": [{"port": 9910, "protocol": "TCP"}]} in edges


def test_series_of_other_stacks_are_dropped_and_those_of_the_whole_node_kept() -> None:
    agent, _ = configuration(args(agents=(AGENT,)), own())["scrape_configs"]
    (rule,) = agent["metric_relabel_configs"]
    assert (rule["action"], rule["source_labels"]) == ("keep", ["sonic_instance"])
    kept = [label for label in ("", "sonic-cms", "sonic-atlas", "sonic-cms-2") if re.fullmatch(rule["regex"], label)]
    assert kept == ["", "sonic-cms"]


def test_samples_fit_on_the_disk_that_they_have() -> None:
    retention = configuration(args(), own(retention_hours=5))["storage"]["tsdb"]["retention"]
    (data,) = [v for v in _pod()["volumes"] if "emptyDir" in v]
    assert retention["time"] == "5h"
    assert int(retention["size"].removesuffix("MB")) < 1024 * int(data["emptyDir"]["sizeLimit"].removesuffix("Gi"))


def test_samples_in_a_claim_fill_three_quarters_of_it_and_not_the_disk() -> None:
    prometheus = OwnPrometheus.model_validate({"kind": "own", "claim": {"size_gib": 20}})
    pod = deployment_spec(args(), prometheus, config_map_name="config", claim_name="samples")["template"]["spec"]
    (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": "samples"}
    assert pod["containers"][0]["resources"]["requests"]["ephemeral-storage"] == "1Gi"
    assert configuration(args(), prometheus)["storage"]["tsdb"]["retention"]["size"] == f"{15 * 1024}MB"


def test_neither_the_lifecycle_nor_the_admin_interface_is_open() -> None:
    (container,) = _pod()["containers"]
    assert not [argument for argument in container["args"] if "enable" in argument]


def test_keda_and_the_namespace_may_ask_and_nobody_else() -> None:
    (rule,) = network_policy_spec(args())["ingress"]
    assert rule["from"] == [
        {"podSelector": {"matchLabels": {}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}},
    ]
    assert rule["ports"] == [{"port": 9090, "protocol": "TCP"}]


def test_without_keda_only_the_namespace_may_ask() -> None:
    (rule,) = network_policy_spec(args(keda_namespace=None))["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {}}}]


def test_metrics_ports_the_api_server_and_dns_are_asked_and_nothing_else() -> None:
    reached = {
        (rule.get("to", [{}])[0].get("podSelector", {}).get("matchLabels", {}).get("part"), port)
        for rule in network_policy_spec(args(api_server_port=16443))["egress"]
        for port in {entry["port"] for entry in rule["ports"]}
    }
    assert reached == {("servers", 8002), ("proxies", 9902), (None, 16443), (None, 53), (None, 5353)}


def _pod() -> Any:
    return deployment_spec(args(), own(), config_map_name="config")["template"]["spec"]
