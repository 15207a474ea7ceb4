"""`python -m stacks fit` on an interLink that somebody else runs by interLink's chart, as at Purdue."""

import json
from copy import deepcopy
from typing import Any

import pytest
import yaml

from components.virtual_node import VirtualNodeImages
from edge.chart import chart_values
from fit import interlink
from fit.demand import Demand
from fit.row import Result
from rendering.manifests import manifests
from stacks.resolve import resolve
from tests.support.cluster_stand_in import ClusterStandIn

NAMESPACE, NODE = "cms", "interlink-hammer"


@pytest.fixture(scope="module")
def demand() -> Demand:
    resolved = resolve("purdue-cms")
    return Demand(resolved, manifests(resolved.config))


def metadata(name: str) -> dict[str, Any]:
    return {"name": f"{NODE}-{name}", "namespace": NAMESPACE}


def deployed(demand: Demand) -> dict[str, Any]:
    """Return the objects that the chart makes of our values, in its own form (virtual-kubelet-config.yaml)."""
    (node,) = demand.config.site.virtual_nodes
    plugin = "geddes-registry.rcac.purdue.edu/ghcr-proxy-cache/purdueaf/interlink-slurm-plugin:0.6.2-pre3"
    values = chart_values(node, VirtualNodeImages.of(node.interlink, demand.config.site.images), plugin)
    network = values["virtualNode"]["network"]
    kubelet = f"""\
InterlinkURL: "http://127.0.0.1"
NodeLabels:
Network:
  EnableTunnel: {json.dumps(network["enableTunnel"])}
  TunnelImage: "ghcr.io/erebe/wstunnel:latest"
  WildcardDNS: {json.dumps(network["wildcardDNS"])}
  WstunnelTemplatePath: "/etc/templates/wstunnel.yaml"
  WstunnelCommand: {json.dumps(network["wstunnelCommand"])}
"""
    containers = [
        {"name": "plugin", "image": plugin, "command": values["plugin"]["command"], "env": values["plugin"]["envs"]},
        {"name": "interlink", "image": values["interlink"]["image"]},
        {"name": "vk", "image": values["virtualNode"]["image"]},
    ]
    return {
        "kubelet": {"InterLinkConfig.yaml": kubelet},
        "template": {"wstunnel.yaml": f"{network['customTemplate']}\n"},
        "plugin": {"plugin.yaml": values["plugin"]["config"]},
        "containers": containers,
    }


def findings(demand: Demand, found: dict[str, Any]) -> list[tuple[Result, str]]:
    maps = {"kubelet": "virtual-kubelet-config", "template": "wstunnel-template", "plugin": "plugin-config"}
    objects = [
        *({"kind": "ConfigMap", "metadata": metadata(name), "data": found[key]} for key, name in maps.items()),
        {
            "kind": "Deployment",
            "metadata": metadata("node"),
            "spec": {"template": {"spec": {"containers": found["containers"]}}},
        },
    ]
    return list(interlink.virtual_kubelets(demand, ClusterStandIn({"version": "", "objects": objects})))


def test_the_values_that_are_written_for_the_chart_are_what_is_looked_for(demand: Demand) -> None:
    assert findings(demand, deployed(demand)) == [
        (Result.OK, "virtual node `interlink-hammer` is configured as the stack's jobs need it")
    ]


def network_with(**values: Any) -> Any:
    def change(found: dict[str, Any]) -> None:
        config = yaml.safe_load(found["kubelet"]["InterLinkConfig.yaml"])
        config["Network"] |= values
        found["kubelet"]["InterLinkConfig.yaml"] = yaml.safe_dump(config)

    return change


def plugin_with(**values: Any) -> Any:
    def change(found: dict[str, Any]) -> None:
        config = json.loads(found["plugin"]["plugin.yaml"])
        found["plugin"]["plugin.yaml"] = json.dumps({**config, **values})

    return change


def template_of_the_chart(found: dict[str, Any]) -> None:
    found["template"]["wstunnel.yaml"] = "apiVersion: apps/v1\nkind: Deployment\n"


def latest_image(found: dict[str, Any]) -> None:
    found["containers"][2]["image"] = "ghcr.io/interlink-hq/interlink/virtual-kubelet-inttw:latest"


def files_to_itself(found: dict[str, Any]) -> None:
    found["containers"][0] |= {"env": [], "command": ["/start"]}


CHART_COMMAND = "curl -L https://example.org/wstunnel -o wstunnel && ./wstunnel client --prefix %s %s ws://%s:80 &"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (network_with(EnableTunnel=False), "has another Network.EnableTunnel than virtual node `interlink-hammer`"),
        (network_with(WildcardDNS="other.example.org"), "has another Network.WildcardDNS than"),
        (network_with(WstunnelCommand=CHART_COMMAND), "open the cluster to whoever reads a pod's annotations: upgrade"),
        (template_of_the_chart, "has not the template of virtual node `interlink-hammer`, so that tunnels would be"),
        (latest_image, "runs ghcr.io/interlink-hq/interlink/virtual-kubelet-inttw:latest, and not geddes-registry"),
        (files_to_itself, "has no SHARED_FS=true, so that no file of a pod reaches its job"),
        (plugin_with(EnableProbes=False), "has another EnableProbes than"),
        (plugin_with(ScancelPath="/usr/bin/scancel"), "a cancelled job would be killed before its server has drained"),
        (plugin_with(ResourceScriptPath=""), "would offer what is free, from which running jobs are subtracted twice"),
        (plugin_with(DataRootFolder="/tmp/"), "jobs would not find their scripts"),  # noqa: S108
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_brings_a_trap_back_is_told(change: Any, told: str, demand: Demand) -> None:
    found = deepcopy(deployed(demand))
    change(found)
    ((result, detail),) = findings(demand, found)
    assert result is Result.MISFIT
    assert told in detail


def test_what_is_no_chart_of_interlinks_is_not_looked_at(demand: Demand) -> None:
    ((result, detail),) = interlink.virtual_kubelets(demand, ClusterStandIn({"version": "", "objects": []}))
    assert result is Result.NOT_LOOKED_AT
    assert "compare what deploys virtual node `interlink-hammer` with the values.yaml" in detail


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({"app.kubernetes.io/instance": "sonic-cms"}, False),
        ({"app.kubernetes.io/instance": "sonic-cms", "app.kubernetes.io/component": "triton"}, True),
        ({"app": "another"}, True),
        (None, True),
    ],
)
def test_a_service_of_others_does_not_select_servers_in_jobs(
    selector: dict[str, str] | None, fits: bool, demand: Demand
) -> None:
    service = {
        "kind": "Service",
        "metadata": {"name": "theirs", "namespace": NAMESPACE},
        "spec": {"selector": selector},
    }
    found = interlink.other_services(demand, ClusterStandIn({"version": "", "objects": [service]}))
    ((result, detail),) = found
    assert (result is Result.OK) == fits
    assert fits or "Service `theirs` of somebody else selects the servers of sonic-cms-triton-hammer" in detail
