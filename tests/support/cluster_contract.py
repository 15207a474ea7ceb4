"""What every ClusterView answers, the stand-in of the quick ring as the dev cluster: the same questions for both."""

import re

import pytest

from access.cluster import (
    CONFIG_MAPS,
    GATEWAYS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    ClusterView,
    NotAllowedError,
    Resource,
    Right,
    Served,
)

CONTAINER = {"name": "a", "image": "example.org/a:1"}


def check_contract(cluster: ClusterView, *, namespace: str, service: str) -> None:
    """Check the answers to a user who may do everything; `service` is one of `namespace`."""
    assert re.match(r"v1\.\d+\.\d+", cluster.version())
    assert cluster.served("v1")["Pod"] == Served("pods", True)
    assert cluster.served("v1")["Node"] == Served("nodes", False)
    assert cluster.served("nobody.example.org/v1") == {}

    found = cluster.get(SERVICES, service, namespace)
    assert found
    assert (found["kind"], found["metadata"]["name"], found["metadata"]["namespace"]) == ("Service", service, namespace)
    assert cluster.get(SERVICES, "nobody", namespace) is None
    assert cluster.get(NAMESPACES, "nobody") is None
    assert cluster.get(GATEWAYS, "nobody", namespace) is None, "its kind is not served"

    assert service in {each["metadata"]["name"] for each in cluster.list(SERVICES, namespace)}
    assert service in {each["metadata"]["name"] for each in cluster.list(SERVICES)}
    assert list(cluster.list(PODS, namespace, "app.kubernetes.io/instance=nobody")) == []
    assert list(cluster.list(GATEWAYS)) == []
    assert all(each["metadata"]["name"] and each["status"]["allocatable"] for each in cluster.list(NODES))

    assert cluster.may(Right("create", PODS, namespace))

    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fit"}, "data": {"a": "b"}}
    tried = cluster.dry_run(CONFIG_MAPS, manifest, namespace)
    assert tried.refusal is None
    assert tried.stored["data"] == {"a": "b"}
    assert cluster.get(CONFIG_MAPS, "fit", namespace) is None, "a dry run makes nothing"


def check_contract_of_a_user_without_rights(cluster: ClusterView, *, namespace: str) -> None:
    """Check the answers to a user who may list no node, and create no pod in the namespace."""
    assert not cluster.may(Right("create", PODS, namespace))
    with pytest.raises(NotAllowedError, match='cannot list resource "nodes"'):
        cluster.list(NODES)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fit"}, "spec": {"containers": [CONTAINER]}}
    with pytest.raises(NotAllowedError, match='cannot create resource "pods"'):
        cluster.dry_run(Resource("v1", "pods"), pod, namespace)
