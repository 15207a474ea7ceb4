"""Secrets, roles and domains of a stack's servers reach the objects around them."""

from typing import Any

import pytest

from components.model_repository import mounted_s3
from stacks.schema.experiment import S3Repository
from stacks.schema.storage import S3Endpoint
from tests.support.configs import stack_config
from tests.support.pods import template
from tests.support.recorder import AUTO_NAME_SUFFIX, SECRET, Recorder
from tests.support.stacks import record

REPOSITORY = S3Repository(kind="s3", bucket="models")


def triton(recorder: Recorder) -> Any:
    (found,) = [d for d in recorder.manifests("Deployment") if "triton" in d["metadata"]["name"]]
    return template(found)["spec"]


def test_variables_from_secrets_are_in_a_secret_that_a_change_renames() -> None:
    server = {"image": "example.org/triton:1", "cpu_cores": 1, "memory_gib": 1}
    recorder = record(stack_config(experiment={"server": {**server, "secret_environment": {"TOKEN": "hub-token"}}}))
    secret = next(s for s in recorder.manifests("Secret") if "environment" in s["metadata"]["name"])
    assert secret["stringData"] in ({"TOKEN": SECRET}, SECRET)
    assert secret["immutable"] is True
    assert secret["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)


def test_a_role_is_asked_for_by_the_account_of_the_servers_alone() -> None:
    s3 = {"endpoint_url": "https://s3.eu-west-1.amazonaws.com", "role_arn": "arn:aws:iam::123456789012:role/models"}
    recorder = record(stack_config(site={"storage": {"s3": s3}}))
    annotations = {
        account["metadata"]["name"]: account["metadata"].get("annotations", {})
        for account in recorder.manifests("ServiceAccount")
    }
    assert annotations["sonic-demo-triton-gpu"] == {"eks.amazonaws.com/role-arn": s3["role_arn"]}
    assert [name for name, given in annotations.items() if given] == ["sonic-demo-triton-gpu"]
    (container,) = triton(recorder)["containers"]
    assert [v["name"] for v in container["env"] if v["name"].startswith("AWS_")] == [
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
    ]
    assert recorder.manifests("Secret") == []


def test_a_role_needs_the_token_service_besides_the_bucket() -> None:
    s3 = S3Endpoint(endpoint_url="http://10.0.0.1:9000", role_arn="arn:aws:iam::123456789012:role/models")
    ports = [edge.ports for edge in mounted_s3(REPOSITORY, s3, None).egress]
    assert ports == [(9000,), (443,)]


def test_own_authorities_replace_those_of_the_image() -> None:
    s3 = S3Endpoint(endpoint_url="https://s3.example.org", authorities_secret="site-ca")  # noqa: S106
    mounted = mounted_s3(REPOSITORY, s3, None)
    assert mounted.volumes[0]["secret"] == {"secretName": "site-ca"}
    mount = mounted.volume_mounts[0]
    assert (mount["mountPath"], mount["subPath"]) == ("/etc/ssl/certs/ca-certificates.crt", "ca.crt")


@pytest.mark.parametrize("host", ["minio.storage.svc", "minio.storage.svc.k8s.example.org"])
def test_a_service_of_the_cluster_is_known_by_its_domain(host: str) -> None:
    s3 = S3Endpoint(endpoint_url=f"http://{host}")
    (edge,) = mounted_s3(REPOSITORY, s3, None).egress
    assert edge.ports == ()


def test_every_name_of_a_service_ends_in_the_cluster_domain() -> None:
    access = {"context": "test", "namespace": "sonic-demo", "cluster_domain": "k8s.example.org"}
    recorder = record(stack_config(site={"access": access}))
    (config,) = [m for m in recorder.manifests("ConfigMap") if "envoy.json" in m["data"]]
    (scaled,) = recorder.manifests("ScaledObject")
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    outputs = recorder.outputs[root.urn]
    assert "triton-gpu.sonic-demo.svc.k8s.example.org" in config["data"]["envoy.json"]
    for text in (str(scaled), str(outputs)):
        assert ".svc.k8s.example.org" in text
    assert "cluster.local" not in str(recorder.manifests()) + str(outputs)
