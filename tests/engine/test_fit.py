"""`python -m stacks fit` on a real API server: it passes a good stack, and tells misfits that were made for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from access.kubeconfig import KubeContext
from access.kubectl_proxy import kubectl_proxy
from devcluster.addresses import CLUSTER_NAME
from devcluster.credentials import KUBECONFIG
from devcluster.kubectl import Kubectl
from tests.support.cluster_contract import check_contract, check_contract_of_a_user_without_rights
from tests.support.dev_cluster import Cluster
from tests.support.pulumi_cli import copy_of_the_program, engine_environment

pytestmark = pytest.mark.engine

NAMESPACE = "sonic-fit"
OVERRIDE: dict[str, Any] = {
    "site": {
        "access": {"namespace": NAMESPACE, "create_namespace": False},
        "exposure": {"kind": "cluster-ip", "hostname": None, "port": None},
        # The labels of the node are another stack's: this one asks for no product.
        "pools": [{"kind": "kubernetes", "name": "node", "servers_max": 2, "spare_servers": 1, "gpu": {}}],
    },
    "experiment": {"scaling": {"servers_min": 1, "servers_max": 2}},
}
GATEWAY = {
    "kind": "gateway",
    "hostname": "sonic.example.org",
    "gateway": "shared",
    "gateway_namespace": "default",
    "controller": "other",
    "port": None,
    "client_cidrs": None,
}


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Kubectl]:
    """An empty namespace of the stack, deleted at the end."""
    cluster.kubectl.run("create", "namespace", NAMESPACE)
    yield cluster.kubectl
    cluster.kubectl.run("delete", "namespace", NAMESPACE)


def fit(directory: Path, stack: str, override: Any = None) -> tuple[int, str]:
    """Status and table of a stack; with an override, of the dev stack as `fit`."""
    copy_of_the_program(directory)
    if override is not None:
        content = yaml.safe_load((directory / "Pulumi.dev.yaml").read_text())
        kept = {} if "models" in override["experiment"] else content["config"]  # its secrets are those of S3
        content["config"] = {**kept, "sonic:site": "dev", "sonic:experiment": "demo", "sonic:override": override}
        (directory / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "stacks", "fit", stack]
    environment = {**os.environ, **engine_environment(KUBECONFIG)}
    finished = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert finished.stderr == ""
    return finished.returncode, finished.stdout


def failing(table: str) -> list[str]:
    return [" ".join(line.split()) for line in table.splitlines() if "  FAIL  " in line]


def test_the_dev_stack_fits_the_dev_cluster(cluster: Cluster, tmp_path: Path) -> None:  # noqa: ARG001
    status, table = fit(tmp_path, "dev")
    assert (status, failing(table)) == (0, [])


def test_the_dev_cluster_answers_as_the_stand_in_does(namespace: Kubectl) -> None:
    with kubectl_proxy(KubeContext(name=CLUSTER_NAME, kubeconfig=KUBECONFIG)) as found:
        check_contract(found, namespace="default", service="kubernetes")
    assert namespace.get("configmaps", f"--namespace={NAMESPACE}")["items"] is not None


def test_a_user_without_rights_is_told_so(namespace: Kubectl, tmp_path: Path) -> None:  # noqa: ARG001
    content = yaml.safe_load(KUBECONFIG.read_text())
    for entry in content["users"]:
        entry["user"]["as"] = "jane"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(content))
    with kubectl_proxy(KubeContext(name=CLUSTER_NAME, kubeconfig=kubeconfig)) as found:
        check_contract_of_a_user_without_rights(found, namespace=NAMESPACE)


def test_limits_and_names_of_the_namespace_are_told(namespace: Kubectl, tmp_path: Path) -> None:
    place = {"namespace": NAMESPACE}
    namespace.apply(
        yaml.safe_dump_all(
            [
                {
                    "apiVersion": "v1",
                    "kind": "LimitRange",
                    "metadata": {"name": "small", **place},
                    "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
                },
                {
                    "apiVersion": "v1",
                    "kind": "ResourceQuota",
                    "metadata": {"name": "few", **place},
                    "spec": {"hard": {"requests.nvidia.com/gpu": "1"}},
                },
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "sonic-demo-envoy", **place},
                    "spec": {"ports": [{"port": 1}]},
                },
            ]
        )
    )
    status, table = fit(tmp_path, "fit", OVERRIDE)
    told = "\n".join(failing(table))
    assert status == 1
    assert "admitted pods FAIL the cluster refuses the pods of sonic-demo-triton-node: " in told
    assert "quota FAIL quota `few` leaves requests.nvidia.com/gpu 1 of 1, and the stack needs 3 at " in told
    assert "LimitRange FAIL LimitRange `small` refuses container triton of sonic-demo-triton-node: " in told
    assert "names FAIL Service `sonic-demo-envoy` in namespace `sonic-fit` exists already, " in told


def test_what_the_cluster_lacks_is_told(namespace: Kubectl, tmp_path: Path) -> None:  # noqa: ARG001
    storage = {"volume": {"kind": "pvc", "claim": "models"}}
    override = {
        "site": {**OVERRIDE["site"], "exposure": GATEWAY, "storage": storage},
        "experiment": {
            **OVERRIDE["experiment"],
            "models": {"repository": {"kind": "volume", "paths": ["/models"], "bucket": None, "prefix": None}},
        },
    }
    status, table = fit(tmp_path, "fit", override)
    told = "\n".join(failing(table))
    assert status == 1
    assert "kinds FAIL the cluster serves no GRPCRoute of gateway.networking.k8s.io/v1, which the stack makes: " in told
    assert "claim `models` does not exist in namespace `sonic-fit`, so no server starts: " in told
