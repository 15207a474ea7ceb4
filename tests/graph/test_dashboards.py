"""ConfigMaps with the dashboards of a stack, and who may query for them."""

import json
import subprocess
import sys
from typing import Any

import pytest

from stacks.schema import StackConfig
from tests.support.configs import stack_config
from tests.support.recorder import Recorder
from tests.support.stacks import record

SITES = {
    "own": {"kind": "own"},
    "external": {"kind": "external", "url": "https://prometheus.example.org"},
    "operator": {"kind": "operator", "url": "http://prometheus-operated.monitoring.svc:9090"},
}


def config(kind: str, *, owner: str | None = None, **facts: Any) -> StackConfig:
    own = {"grafana_namespace": "grafana"} if kind == "own" else {}
    dashboards = {"kind": "sidecar", **own, **facts}
    return stack_config(site={"monitoring": {**SITES[kind], "dashboards": dashboards}, "singletons_owner": owner})


def maps(recorder: Recorder) -> list[dict[str, Any]]:
    return [
        each
        for each in recorder.manifests("ConfigMap")
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "dashboards"
    ]


@pytest.mark.parametrize("kind", SITES)
def test_the_sidecar_finds_the_dashboard_of_a_stack(kind: str) -> None:
    (found,) = maps(record(config(kind)))
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "sonic-demo"
    (text,) = found["data"].values()
    assert json.loads(text)["title"] == "SONIC stack sonic-demo"


def test_the_site_says_where_its_sidecar_looks_and_for_what() -> None:
    facts: dict[str, Any] = {
        "map_labels": {"dashboards": "yes"},
        "map_annotations": {"grafana_folder": "SONIC"},
        "namespace": "monitoring",
    }
    (found,) = maps(record(config("operator", **facts)))
    metadata = found["metadata"]
    assert metadata["namespace"] == "monitoring"
    assert metadata["labels"]["dashboards"] == "yes"
    assert "grafana_dashboard" not in metadata["labels"]
    assert metadata["annotations"] == {"grafana_folder": "SONIC"}
    # Other stacks have maps there, and files in the sidecar's one folder.
    assert metadata["name"] == "sonic-demo-sonic-demo-dashboard-stack"
    assert list(found["data"]) == ["sonic-demo-sonic-demo-stack.json"]


@pytest.mark.parametrize(
    ("kind", "owner", "fleet"),
    [
        ("external", "test-demo", True),
        ("operator", "test-demo", True),
        ("external", None, False),
        ("own", "test-demo", False),
    ],
)
def test_one_stack_makes_the_dashboard_of_all_that_one_prometheus_sees(
    kind: str, owner: str | None, *, fleet: bool
) -> None:
    titles = [
        json.loads(text)["title"] for each in maps(record(config(kind, owner=owner))) for text in each["data"].values()
    ]
    assert ("SONIC fleet" in titles) == fleet


def test_grafana_may_query_the_own_prometheus() -> None:
    def readers(made: StackConfig) -> list[Any]:
        policies = {each["metadata"]["name"]: each for each in record(made).manifests("NetworkPolicy")}
        (rule,) = policies["sonic-demo-prometheus"]["spec"]["ingress"]
        return [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for peer in rule["from"]
            if "namespaceSelector" in peer
        ]

    assert readers(stack_config()) == ["keda"]
    assert readers(config("own")) == ["keda", "grafana"]


def test_a_stack_without_dashboards_makes_none_and_loads_no_library_for_them() -> None:
    assert maps(record(stack_config())) == []
    program = "import sys, components.site_stack; sys.exit('grafana_foundation_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_wanted_servers_are_those_of_the_autoscaler() -> None:
    """The dashboard shows the query and the threshold that KEDA has."""
    recorder = record(config("own"))
    spec = recorder.manifest("ScaledObject")["spec"]
    (text,) = maps(recorder)[0]["data"].values()
    wanted = [
        target["expr"]
        for panel in json.loads(text)["panels"]
        if panel["title"] == "Servers of pool gpu"
        for target in panel["targets"]
        if target["legendFormat"].startswith("wanted")
    ]
    bounds = f"{spec['minReplicaCount']}, {spec['maxReplicaCount']}"
    assert wanted == [
        f"clamp(ceil(({each['metadata']['query']}) / {float(each['metadata']['threshold']):g}), {bounds})"
        for each in spec["triggers"]
    ]
