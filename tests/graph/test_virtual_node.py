"""Resources of VirtualNode: the virtual kubelet, its rights, and the network around it."""

import json
from typing import Any

from components.naming import Naming
from components.virtual_node import TokenArgs, VirtualNode, VirtualNodeArgs
from components.virtual_node.rights import cluster_rules, lease_rules, stack_rules
from tests.support.fields import unknown_fields
from tests.support.linters import pod_security
from tests.support.recorder import Recorder
from tests.support.virtual_nodes import HTTPS, IMAGES, OAUTH2, SOCKET, virtual_node

NAMING = Naming(instance="sonic-cms", namespace="sonic-cms")
CLIENT_SECRET = "secret of the client"  # noqa: S105
WRITES = {"create", "update", "patch", "delete"}


def recorded(recorder: Recorder, **fields: Any) -> Recorder:
    node = virtual_node(**fields)
    takes_tokens = node.api.kind == "oauth2"
    args = VirtualNodeArgs(
        naming=NAMING,
        node=node,
        images=IMAGES,
        plugin_image="plugin:1" if node.api.kind == "socket" else None,
        token=TokenArgs(image="python:1", client_secret=CLIENT_SECRET) if takes_tokens else None,
        api_server_port=6443,
    )
    recorder.run(lambda: VirtualNode("node", args))
    return recorder


def pod(recorder: Recorder) -> Any:
    return recorder.one("kubernetes:apps/v1:Deployment").inputs["spec"]["template"]["spec"]


def test_every_field_of_every_object_is_known_to_kubernetes() -> None:
    for api in (SOCKET, HTTPS, OAUTH2):
        resources = recorded(Recorder(), api=api).resources_by_urn.values()
        assert {each.name: unknown for each in resources if (unknown := unknown_fields(each))} == {}


def test_in_the_whole_cluster_it_writes_to_its_own_node_alone() -> None:
    written = [rule for rule in cluster_rules("hammer") if WRITES & set(rule["verbs"])]
    assert [rule["resources"] for rule in written] == [["nodes"], ["nodes/status"]]
    assert all(rule["verbs"] == ["create"] or rule["resourceNames"] == ["hammer"] for rule in written)


def test_no_right_is_to_read_secrets_or_config_maps() -> None:
    rules = [*cluster_rules("hammer"), *lease_rules("hammer"), *stack_rules()]
    assert not {"secrets", "configmaps", "serviceaccounts/token", "*"} & {
        r for rule in rules for r in rule["resources"]
    }
    assert "*" not in {verb for rule in rules for verb in rule["verbs"]}


def test_it_renews_the_lease_of_its_own_node_alone() -> None:
    assert all(rule["verbs"] == ["create"] or rule["resourceNames"] == ["hammer"] for rule in lease_rules("hammer"))


def test_the_rights_of_the_cluster_are_those_of_its_account(recorder: Recorder) -> None:
    recorded(recorder, service_account="kubelet")
    subjects = [{"kind": "ServiceAccount", "name": "kubelet", "namespace": "interlink"}]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        assert recorder.one(f"kubernetes:rbac.authorization.k8s.io/v1:{kind}").inputs["subjects"] == subjects
    assert pod(recorder)["serviceAccountName"] == "kubelet"


def test_nobody_reaches_the_port_of_the_kubelet(recorder: Recorder) -> None:
    recorded(recorder)
    policy = recorder.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"]
    assert policy["ingress"] == []
    assert "Ingress" in policy["policyTypes"]


def test_only_the_api_servers_that_the_site_names_reach_the_port_of_the_kubelet(recorder: Recorder) -> None:
    recorded(recorder, api_server_cidrs=["192.0.2.10/32"])
    policy = recorder.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"]
    assert policy["ingress"] == [
        {"from": [{"ipBlock": {"cidr": "192.0.2.10/32"}}], "ports": [{"port": 10250, "protocol": "TCP"}]}
    ]


def test_the_virtual_kubelet_alone_has_a_token(recorder: Recorder) -> None:
    recorded(recorder)
    assert pod(recorder)["automountServiceAccountToken"] is False
    mounting = [
        container["name"]
        for container in pod(recorder)["containers"]
        if any(mount["name"] == "token" for mount in container["volumeMounts"])
    ]
    assert mounting == ["virtual-kubelet"]


def test_pod_security_admits_the_virtual_kubelet() -> None:
    for api in (SOCKET, HTTPS, OAUTH2):
        template = recorded(Recorder(), api=api).one("kubernetes:apps/v1:Deployment").inputs["spec"]["template"]
        assert pod_security("restricted", [template]) == [[]]


def test_a_plugin_that_submits_for_others_is_root_and_nothing_else_is(recorder: Recorder) -> None:
    recorded(recorder, api={**SOCKET, "user_id": 0})
    users = {each["name"]: each["securityContext"].get("runAsUser") for each in pod(recorder)["containers"]}
    assert users == {"virtual-kubelet": None, "interlink": 0, "slurm-plugin": 0}
    assert pod(recorder)["securityContext"]["runAsNonRoot"] is True


def test_an_api_elsewhere_is_called_with_a_certificate(recorder: Recorder) -> None:
    recorded(recorder, api=HTTPS)
    data = recorder.one("kubernetes:core/v1:ConfigMap").inputs["data"]
    config = json.loads(data["VirtualKubeletConfig.yaml"])
    assert (config["InterlinkURL"], config["InterlinkPort"]) == ("https://interlink.example.org", "8443")
    assert config["HTTP"] == {"Insecure": False}
    assert set(data) == {"VirtualKubeletConfig.yaml", "tunnel.yaml"}
    assert [each["name"] for each in pod(recorder)["containers"]] == ["virtual-kubelet"]
    assert {"name": "certificate", "secret": {"secretName": "edge", "defaultMode": 0o444}} in pod(recorder)["volumes"]


def test_an_api_behind_a_proxy_gets_a_token_that_is_there_before_the_virtual_kubelet(recorder: Recorder) -> None:
    """It ends at its start without one, and reads it for each call."""
    recorded(recorder, api=OAUTH2)
    data = recorder.one("kubernetes:core/v1:ConfigMap").inputs["data"]
    config = json.loads(data["VirtualKubeletConfig.yaml"])
    assert config["VKTokenFile"] == "/run/interlink-token/token"
    assert config["TLS"] == {"Enabled": True, "CACertFile": "/etc/interlink-certificate/ca.crt"}
    ((first,), containers) = pod(recorder)["initContainers"], pod(recorder)["containers"]
    assert first["command"] == ["python3", "-I", "/etc/interlink/token_refresh.py", "once"]
    assert [each["name"] for each in containers] == ["virtual-kubelet", "token"]
    compile(data["token_refresh.py"], "token_refresh.py", "exec")
    kubelet = {each["mountPath"]: each["readOnly"] for each in containers[0]["volumeMounts"]}
    assert kubelet["/run/interlink-token"] is True


def test_the_secret_of_a_client_is_in_a_secret_alone(recorder: Recorder) -> None:
    recorded(recorder, api=OAUTH2)
    assert recorder.one("kubernetes:core/v1:Secret").inputs["stringData"] == "[secret]"
    others = [each.inputs for each in recorder.resources_by_urn.values() if not each.type.endswith(":Secret")]
    assert CLIENT_SECRET not in str(others)


def test_two_virtual_kubelets_never_run_at_once(recorder: Recorder) -> None:
    recorded(recorder)
    spec = recorder.one("kubernetes:apps/v1:Deployment").inputs["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
