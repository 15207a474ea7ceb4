"""Resources of the Monitoring component."""

import json
from typing import Any

import pytest

from components.monitoring import AgentTarget, Monitoring, MonitoringArgs
from components.naming import Naming
from components.server_pool import MetricTarget
from rendering.manifests import manifests, placeholder
from stacks.schema.site import ExternalPrometheus, MonitorKind, OperatorPrometheus, OwnPrometheus
from tests.support.configs import stack_config
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder

HERE = MetricTarget(name="server-metrics", namespace="cms", labels={"app": "triton"}, port=8002, path="/metrics")
ELSEWHERE = MetricTarget(
    name="server-metrics",
    namespace="cms-tunnels",
    labels={"app": "tunnel"},
    port=8002,
    path="/metrics",
)

AGENT = AgentTarget(
    virtual_node="interlink-hammer",
    url="https://slurm.example.org:9910",
    certificate_secret="slurm-agent",  # noqa: S106
)
RULES = [{"name": "sonic-cms-slurm", "rules": [{"record": "one", "expr": "1"}]}]

PROXIES = MetricTarget(
    name="envoy-metrics", namespace="cms", labels={"app": "envoy"}, port=9902, path="/stats/prometheus"
)


def deploy(
    recorder: Recorder, prometheus: OwnPrometheus | ExternalPrometheus | OperatorPrometheus, *servers: MetricTarget
) -> None:
    args = MonitoringArgs(
        naming=Naming(instance="sonic-cms", namespace="cms", pull_secret="registry"),  # noqa: S106
        prometheus=prometheus,
        image="example.org/prometheus:v3.10.0",
        servers=servers or (HERE,),
        proxies=PROXIES,
        secrets={},
        agents=(AGENT,),
        rule_groups=RULES,
        api_server_port=6443,
        keda_namespace="keda",
    )
    recorder.run(lambda: Monitoring("monitoring", args))


def outputs(recorder: Recorder) -> dict[str, Any]:
    (component,) = recorder.components()
    return recorder.outputs[component.urn]


@pytest.fixture
def own(recorder: Recorder) -> Recorder:
    deploy(recorder, OwnPrometheus(kind="own"))
    return recorder


def test_an_external_prometheus_is_only_named(recorder: Recorder) -> None:
    deploy(recorder, ExternalPrometheus(kind="external", url="https://prometheus.example.org"))
    assert recorder.manifests() == []
    assert outputs(recorder) == {"url": "https://prometheus.example.org"}


def test_services_carry_the_labels_by_which_a_prometheus_looks_for_them(recorder: Recorder) -> None:
    site = ExternalPrometheus(
        kind="external",
        url="http://prometheus.monitoring.svc:9090",
        service_labels={"scrape_metrics": "true"},
        proxy_service_annotations={"prometheus.io/path": "/stats/prometheus"},
    )
    deploy(recorder, site, HERE, ELSEWHERE)
    by_name = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each for each in recorder.manifests("Service")
    }
    here, elsewhere = (by_name[namespace, "sonic-cms-server-metrics"] for namespace in ("cms", "cms-tunnels"))
    proxies = by_name["cms", "sonic-cms-envoy-metrics"]
    for service, target in ((here, HERE), (elsewhere, ELSEWHERE), (proxies, PROXIES)):
        assert service["spec"]["selector"] == target.labels
        assert service["spec"]["ports"] == [{"name": "metrics", "port": target.port, "targetPort": target.port}]
    assert here["metadata"]["labels"]["scrape_metrics"] == "true"
    assert "scrape_metrics" not in proxies["metadata"]["labels"]
    assert proxies["metadata"]["annotations"]["prometheus.io/path"] == "/stats/prometheus"


def test_a_prometheus_that_looks_for_servers_alone_finds_no_proxies(recorder: Recorder) -> None:
    url = "http://prometheus.monitoring.svc:9090"
    deploy(recorder, ExternalPrometheus(kind="external", url=url, service_labels={"scrape_metrics": "true"}))
    assert [each["spec"]["selector"] for each in recorder.manifests("Service")] == [HERE.labels]


def operator(**facts: Any) -> OperatorPrometheus:
    url = "http://prometheus-operated.monitoring.svc:9090"
    return OperatorPrometheus(kind="operator", url=url, monitor_labels={"release": "prometheus"}, **facts)


def test_pod_monitors_lead_the_operator_to_the_pods(recorder: Recorder) -> None:
    deploy(recorder, operator(scrape_interval_seconds=5))
    monitors = {each["metadata"]["name"]: each for each in recorder.manifests("PodMonitor")}
    servers, proxies = monitors["sonic-cms-server-metrics"], monitors["sonic-cms-envoy-metrics"]
    assert servers["apiVersion"] == "monitoring.coreos.com/v1"
    assert servers["metadata"]["labels"]["release"] == "prometheus"
    assert servers["spec"] == {
        "selector": {"matchLabels": HERE.labels},
        "namespaceSelector": {"matchNames": ["cms"]},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "5s"}],
    }
    assert proxies["spec"]["podMetricsEndpoints"][0]["path"] == "/stats/prometheus"
    assert recorder.manifests("Service") == []


def test_service_monitors_find_a_service_with_their_port(recorder: Recorder) -> None:
    deploy(recorder, operator(monitor=MonitorKind.SERVICE))
    services = {each["metadata"]["name"]: each for each in recorder.manifests("Service")}
    monitors = recorder.manifests("ServiceMonitor")
    assert len(monitors) == len(services)
    for monitor in monitors:
        service = services[monitor["metadata"]["name"]]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_monitors_of_several_namespaces_have_different_names_in_one(recorder: Recorder) -> None:
    deploy(recorder, operator(monitor_namespace="monitoring"), HERE, ELSEWHERE)
    monitors = [each["metadata"] for each in recorder.manifests("PodMonitor")]
    assert {each["namespace"] for each in monitors} == {"monitoring"}
    assert len({each["name"] for each in monitors}) == len(monitors)


def test_the_operator_is_told_of_agents_by_scrape_configs(recorder: Recorder) -> None:
    deploy(recorder, operator(monitor_namespace="monitoring"))
    scrape = recorder.manifest("ScrapeConfig")
    assert scrape["apiVersion"] == "monitoring.coreos.com/v1alpha1"
    assert scrape["metadata"]["namespace"] == "monitoring"
    assert scrape["metadata"]["labels"]["release"] == "prometheus"
    spec = scrape["spec"]
    assert spec["scheme"] == "HTTPS"
    assert spec["staticConfigs"][0]["targets"] == ["slurm.example.org:9910"]
    assert spec["tlsConfig"] == {
        "ca": {"secret": {"name": "slurm-agent", "key": "ca.crt"}},
        "cert": {"secret": {"name": "slurm-agent", "key": "tls.crt"}},
        "keySecret": {"name": "slurm-agent", "key": "tls.key"},
    }


def test_the_own_prometheus_reads_the_rules_beside_its_configuration(own: Recorder) -> None:
    assert json.loads(own.manifest("ConfigMap")["data"]["rules.yml"]) == {"groups": RULES}
    assert json.loads(own.manifest("ConfigMap")["data"]["prometheus.yml"])["rule_files"] == ["rules.yml"]


def test_the_operator_gets_the_rules_as_an_object(recorder: Recorder) -> None:
    deploy(recorder, operator(monitor_namespace="monitoring"))
    rules = recorder.manifest("PrometheusRule")
    assert rules["metadata"]["namespace"] == "monitoring"
    assert rules["metadata"]["name"] == "cms-sonic-cms-prometheus", "several stacks have theirs there"
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert rules["spec"] == {"groups": RULES}


@pytest.mark.parametrize(
    ("facts", "header"),
    [
        ({"token_secret": "token"}, {"header": "Authorization", "value": f"Bearer {placeholder('token')}"}),
        (
            {"secret_header": {"name": "X-Scope-OrgID", "value_secret": "key"}},
            {"header": "X-Scope-OrgID", "value": placeholder("key")},
        ),
    ],
)
def test_the_header_that_prometheus_requires_is_only_in_a_secret(facts: Any, header: dict[str, str]) -> None:
    monitoring = {"kind": "operator", "url": "https://prometheus.example.org", **facts}
    rendered = manifests(stack_config(site={"monitoring": monitoring}))
    (secret,) = [each for each in rendered if each.get("stringData") == header]
    assert secret["immutable"] is True
    assert header["value"] not in json.dumps([each for each in rendered if each is not secret])


def test_the_claim_for_samples_is_the_one_that_the_pod_mounts(recorder: Recorder) -> None:
    claim = {"size_gib": 20, "storage_class": "fast"}
    deploy(recorder, OwnPrometheus.model_validate({"kind": "own", "claim": claim}))
    made = recorder.manifest("PersistentVolumeClaim")
    assert made["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
        "storageClassName": "fast",
    }
    volumes = recorder.manifest("Deployment")["spec"]["template"]["spec"]["volumes"]
    (mounted,) = [volume["persistentVolumeClaim"] for volume in volumes if volume["name"] == "data"]
    assert mounted == {"claimName": made["metadata"]["name"]}


def test_the_url_is_that_of_the_service(own: Recorder) -> None:
    service = own.manifest("Service")["metadata"]
    assert outputs(own) == {"url": f"http://{service['name']}.{service['namespace']}.svc.cluster.local:9090"}


def test_a_changed_configuration_rolls_the_pod(own: Recorder) -> None:
    config = own.manifest("ConfigMap")
    (volume,) = [v for v in own.manifest("Deployment")["spec"]["template"]["spec"]["volumes"] if "configMap" in v]
    assert config["immutable"] is True
    assert config["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)
    assert volume["configMap"]["name"] == config["metadata"]["name"]


def test_its_token_reads_pods_of_the_namespace_and_nothing_else(own: Recorder) -> None:
    role, binding = own.manifest("Role"), own.manifest("RoleBinding")
    account = own.manifest("ServiceAccount")["metadata"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
    assert own.manifests("ClusterRole") == []


def test_pods_of_another_namespace_are_listed_found_and_reached(recorder: Recorder) -> None:
    deploy(recorder, OwnPrometheus(kind="own"), HERE, ELSEWHERE)
    roles, bindings = recorder.manifests("Role"), recorder.manifests("RoleBinding")
    assert {role["metadata"]["namespace"] for role in roles} == {"cms", "cms-tunnels"}
    assert {binding["metadata"]["namespace"] for binding in bindings} == {"cms", "cms-tunnels"}
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {"cms"}
    *_, job = json.loads(recorder.manifest("ConfigMap")["data"]["prometheus.yml"])["scrape_configs"]
    assert job["kubernetes_sd_configs"][0]["namespaces"] == {"names": ["cms", "cms-tunnels"]}
    here, elsewhere, *_ = recorder.manifest("NetworkPolicy")["spec"]["egress"]
    assert here["to"] == [{"podSelector": {"matchLabels": {"app": "triton"}}}]
    assert elsewhere["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cms-tunnels"}},
            "podSelector": {"matchLabels": {"app": "tunnel"}},
        }
    ]


def test_the_pod_runs_restricted(own: Recorder) -> None:
    pod = own.manifest("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_the_service_finds_the_pod(own: Recorder) -> None:
    spec = own.manifest("Deployment")["spec"]
    selector = own.manifest("Service")["spec"]["selector"]
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["strategy"] == {"type": "Recreate"}
