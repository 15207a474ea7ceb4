"""The strategic merge of patches, as `kubectl patch` does it."""

from typing import Any

import pytest

from components.patches import merged, with_patches
from stacks.schema.job_patch_rules import broken_job_patches

POD: dict[str, Any] = {
    "containers": [
        {
            "name": "triton",
            "env": [{"name": "HOME", "value": "/scratch"}, {"name": "A", "value": "1"}],
            "ports": [{"name": "grpc", "containerPort": 8001}],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            "args": ["--a"],
        }
    ],
    "tolerations": [{"key": "a"}],
    "volumes": [{"name": "scratch", "emptyDir": {}}],
}


def patched(pod: dict[str, Any]) -> Any:
    deployment = {"spec": {"replicas": 2, "template": {"spec": POD}}}
    return merged(deployment, {"spec": {"template": {"spec": pod}}})["spec"]["template"]["spec"]


def test_mappings_merge_and_null_removes() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}) == {"a": {"c": 2, "d": 3}}


@pytest.mark.parametrize(
    ("field", "patch", "expected"),
    [
        ("env", {"name": "A", "value": "2"}, [{"name": "HOME", "value": "/scratch"}, {"name": "A", "value": "2"}]),
        (
            "ports",
            {"containerPort": 9, "name": "x"},
            [{"name": "grpc", "containerPort": 8001}, {"containerPort": 9, "name": "x"}],
        ),
        (
            "volumeMounts",
            {"mountPath": "/scratch", "readOnly": True},
            [{"name": "scratch", "mountPath": "/scratch", "readOnly": True}],
        ),
        ("args", "--b", ["--b"]),
    ],
)
def test_a_list_of_a_container_merges_by_its_key_or_is_replaced(field: str, patch: Any, expected: Any) -> None:
    (container,) = patched({"containers": [{"name": "triton", field: [patch]}]})["containers"]
    assert container == {**POD["containers"][0], field: expected}


def test_a_container_is_added_and_a_volume_removed() -> None:
    pod = patched({"containers": [{"name": "sidecar"}], "volumes": [{"name": "scratch", "$patch": "delete"}]})
    assert [container["name"] for container in pod["containers"]] == ["triton", "sidecar"]
    assert pod["volumes"] == []


def test_what_is_not_there_is_not_removed_and_leaves_no_directive() -> None:
    assert patched({"hostAliases": [{"ip": "192.0.2.1", "$patch": "delete"}]})["hostAliases"] == []


def test_a_list_without_a_merge_key_is_replaced() -> None:
    assert patched({"tolerations": [{"key": "b"}]})["tolerations"] == [{"key": "b"}]


def test_ports_of_a_service_merge_by_port() -> None:
    service = {"spec": {"ports": [{"port": 8001}]}}
    assert merged(service, {"spec": {"ports": [{"port": 8002}]}})["spec"]["ports"] == [{"port": 8001}, {"port": 8002}]


def test_rules_of_a_network_policy_add_up() -> None:
    policy = {"spec": {"egress": [{"ports": [{"port": 53}]}]}}
    rules = merged(policy, {"spec": {"egress": [{"ports": [{"port": 3128}]}]}})["spec"]["egress"]
    assert rules == [{"ports": [{"port": 53}]}, {"ports": [{"port": 3128}]}]


def test_the_original_is_not_changed() -> None:
    before = repr(POD)
    patched({"containers": [{"name": "triton", "env": [{"name": "A", "$patch": "delete"}]}]})
    assert repr(POD) == before


def deployment(pool: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "triton", "sonic.fastmachinelearning.org/pool": pool}
    return {"kind": "Deployment", "metadata": {"labels": labels}, "automount_service_account_token": False}


def test_a_patch_meets_every_pool_or_the_one_that_it_names() -> None:
    everywhere = {"Deployment/triton": {"metadata": {"annotations": {"a": "1", "b": "1"}}}}
    one = {"Deployment/triton/a100": {"metadata": {"annotations": {"b": "2"}}}}
    annotations = {
        pool: with_patches(deployment(pool), [one, everywhere])["metadata"]["annotations"] for pool in ("a100", "t4")
    }
    assert annotations == {"a100": {"a": "1", "b": "2"}, "t4": {"a": "1", "b": "1"}}


def test_the_patch_of_the_experiment_comes_after_that_of_the_site() -> None:
    site, experiment = ({"Deployment/triton": {"metadata": {"annotations": {"a": text}}}} for text in ("1", "2"))
    assert with_patches(deployment("a"), [site, experiment])["metadata"]["annotations"] == {"a": "2"}


def test_a_field_at_the_top_has_the_spelling_of_kubernetes() -> None:
    patch = {"Deployment/triton": {"automountServiceAccountToken": True}}
    assert with_patches(deployment("a"), [patch])["automount_service_account_token"] is True


def test_a_patch_of_all_servers_that_jobs_misread_names_the_pools_of_nodes() -> None:
    patches = {"Deployment/triton": {"spec": {"minReadySeconds": 9}}}
    pools = {"job_pools": ["slurm"], "node_pools": ["gpu"]}
    (broken,) = broken_job_patches(patches, key="site.patches", **pools)
    assert broken.message.endswith("leave it out, or name a pool of nodes alone, as `Deployment/triton/gpu`")


@pytest.mark.parametrize("target", ["Deployment/envoy", "Deployment/triton/gpu"])
def test_a_patch_of_pods_of_nodes_is_no_matter_of_jobs(target: str) -> None:
    patches = {target: {"spec": {"minReadySeconds": 9}}}
    assert list(broken_job_patches(patches, key="site.patches", job_pools=["slurm"], node_pools=["gpu"])) == []
