"""The stand-ins of interLink with real Slurm, Triton and ssh, as the run of Nov 2026 saw the real programs.

The manifests are plain ones: stacks are held against the same stand-ins elsewhere. The tests follow one pod, in order.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from devcluster.errors import DevClusterError
from devcluster.slurm import commands
from devcluster.slurm.bastion import NAMESPACE
from devcluster.slurm.folders import EDGE, JOBS
from devcluster.toolchain.programs import TOOLS_DIRECTORY
from testbed.pods import is_ready
from testbed.polling import eventually
from tests.support.dev_cluster import Cluster
from tests.support.slurm_manifests import NODE, POD, POD_NAMESPACE, triton, virtual_node

pytestmark = [pytest.mark.live, pytest.mark.slurm]

PATIENCE_SECONDS = 180
LAST_LINES = 30


class Site:
    """A cluster with a virtual node before Slurm."""

    def __init__(self, cluster: Cluster) -> None:
        self.kubectl = cluster.kubectl

    def apply(self, *manifests: dict[str, Any]) -> None:
        self.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))

    def node(self) -> dict[str, Any]:
        return self.kubectl.get("node", NODE)

    def conditions(self) -> dict[str, dict[str, Any]]:
        return {each["type"]: each for each in self.node().get("status", {}).get("conditions", [])}

    def reason(self, condition: str) -> str:
        return str(self.conditions().get(condition, {}).get("reason"))

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Pods of the test's namespace that are not being deleted."""
        found = self.kubectl.get("pods", f"--namespace={POD_NAMESPACE}", f"--selector={selector}").get("items", [])
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def virtual_pod(self) -> dict[str, Any]:
        return next(iter(self.pods(f"app={POD},!tunnel")), {})

    def tunnel_pod(self) -> dict[str, Any]:
        return next(iter(self.pods("tunnel=true")), {})

    def failed(self) -> list[dict[str, Any]]:
        return [pod for pod in self.pods(f"app={POD},!tunnel") if pod["status"].get("phase") == "Failed"]

    def jobs(self) -> dict[str, str]:
        """User of each job by its name."""
        asked = commands.run("squeue", "--noheader", "--format=%j %u")
        asked.check_returncode()
        return dict(line.split() for line in asked.stdout.splitlines())

    def fault(self, **faults: Any) -> None:
        (EDGE / "faults.yaml").write_text(yaml.safe_dump(faults))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; where it does not come, fail with what pods and jobs said last."""
        try:
            eventually(condition, what, timeout_seconds=PATIENCE_SECONDS)
        except DevClusterError as error:
            pytest.fail("\n".join([str(error), *self.last_words()]), pytrace=False)

    def last_words(self) -> Iterator[str]:
        yield self.kubectl.run("get", "pods", f"--namespace={POD_NAMESPACE}", "--output=wide")
        for file in sorted(JOBS.glob(f"{POD_NAMESPACE}-*/*.out")):
            yield f"{file.parent.name}/{file.name}:"
            yield from file.read_text(errors="replace").splitlines()[-LAST_LINES:]


def serves(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:8000/v2/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def runs_triton() -> bool:
    return "tritonserver --model-repository=/models " in subprocess.check_output(["ps", "-eo", "args"], text=True)


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Site]:
    """The virtual node, ready for pods, and a Triton on it; all of it goes at the end."""
    result = cluster.command("up", "--cluster-only", "--slurm")
    assert result.returncode == 0, result.stderr
    site = Site(cluster)
    site.apply(*virtual_node())
    yield site
    site.kubectl.run("delete", "namespace", POD_NAMESPACE, "--ignore-not-found", "--timeout=60s")
    (EDGE / "faults.yaml").unlink(missing_ok=True)
    for kind in ("deployment", "configmap", "serviceaccount"):
        site.kubectl.run("delete", kind, NODE, f"--namespace={NAMESPACE}", "--ignore-not-found")
    site.kubectl.run("delete", "node,clusterrolebinding", NODE, "--ignore-not-found")


def test_the_virtual_node_has_interlinks_names_ports_and_commands() -> None:
    """Its own tests, in Go. They build as the toolchain does, so little is compiled again."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    folder = TOOLS_DIRECTORY / "virtual-node"
    result = subprocess.run(
        ["go", "test", "-trimpath", "-buildvcs=false", "./..."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_node_is_interlinks_and_ready_after_the_first_ping(site: Site) -> None:
    site.until(lambda: bool(site.node()), "the Node is there")
    node = site.node()
    assert (
        node["metadata"]["labels"].items()
        >= {
            "kubernetes.io/os": "virtual-kubelet",
            "kubernetes.io/hostname": NODE,
            "kubernetes.io/role": "agent",
            "virtual-node.interlink/type": "virtual-kubelet",
            "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        }.items()
    )
    own_taint = {"key": "virtual-node.interlink/no-schedule", "value": "true", "effect": "NoSchedule"}
    assert own_taint in node["spec"]["taints"]
    assert node["spec"]["providerID"] == f"external:///{NODE}"
    site.until(lambda: site.reason("InterlinkConnectivity") == "InterlinkPingSuccessful", "a ping was answered")
    assert site.conditions()["Ready"]["status"] == "True"
    assert site.node()["status"]["allocatable"]["cpu"] != "100", "N9: what is free in Slurm replaces the configuration"


def test_a_pod_becomes_a_job_whose_server_answers_at_the_tunnel_pod(site: Site) -> None:
    site.apply(*triton())
    site.until(lambda: is_ready(site.tunnel_pod()), "the tunnel pod is ready")
    pod, tunnel = site.virtual_pod(), site.tunnel_pod()
    assert site.jobs()[pod["metadata"]["uid"]] == "nobody"
    assert pod["status"]["podIP"] == tunnel["status"]["podIP"]
    assert serves(tunnel["status"]["podIP"])
    assert tunnel["metadata"]["labels"]["app"] == POD, "labels are copied, those of the template win"
    assert not [key for key in tunnel["metadata"]["annotations"] if key.startswith("slurm-job.vk.io/")]


def test_the_virtual_pod_runs_once_its_probes_succeeded(site: Site) -> None:
    site.until(lambda: site.virtual_pod()["status"]["phase"] == "Running", "the virtual pod runs")
    assert is_ready(site.virtual_pod())
    assert site.virtual_pod()["metadata"]["annotations"]["JobID"].isdigit()


def test_a_replaced_tunnel_pod_serves_and_the_virtual_pod_keeps_the_old_address(site: Site) -> None:
    """N5."""
    old = site.tunnel_pod()
    site.kubectl.run("delete", "pod", old["metadata"]["name"], f"--namespace={POD_NAMESPACE}", "--wait=false")
    site.until(lambda: is_ready(site.tunnel_pod()), "another tunnel pod is ready")
    assert serves(site.tunnel_pod()["status"]["podIP"])
    assert site.virtual_pod()["status"]["podIP"] == old["status"]["podIP"] != site.tunnel_pod()["status"]["podIP"]
    assert is_ready(site.virtual_pod())


def test_a_failed_ping_makes_the_node_unready(site: Site) -> None:
    """N3."""
    site.fault(ping_fails=True)
    site.until(lambda: site.conditions()["Ready"]["status"] == "False", "the Node is not ready")
    assert site.reason("InterlinkConnectivity") == "InterlinkPingFailed"
    site.fault()
    site.until(lambda: site.conditions()["Ready"]["status"] == "True", "the Node is ready again")


def test_a_deleted_pod_loses_tunnel_and_server_at_once(site: Site) -> None:
    """N1, N7, trap 10: nobody asked the server to finish."""
    uid = site.virtual_pod()["metadata"]["uid"]
    site.kubectl.run("scale", f"deployment/{POD}", "--replicas=0", f"--namespace={POD_NAMESPACE}")
    site.until(lambda: not site.tunnel_pod(), "the tunnel is gone")
    site.until(lambda: uid not in site.jobs(), "the job is gone")
    assert not runs_triton()
    site.until(lambda: not site.virtual_pod(), "the virtual pod is gone")


def test_a_refused_job_is_a_failed_pod_that_keeps_its_tunnel(site: Site) -> None:
    """Trap 13."""
    site.fault(create_fails="sbatch: error: Batch job submission failed: Invalid account")
    site.kubectl.run("scale", f"deployment/{POD}", "--replicas=1", f"--namespace={POD_NAMESPACE}")

    site.until(lambda: bool(site.failed()), "a pod failed")
    site.kubectl.run("scale", f"deployment/{POD}", "--replicas=0", f"--namespace={POD_NAMESPACE}")
    pod = site.failed()[0]
    assert pod["status"]["reason"] == "ProviderFailed"
    assert "Invalid account" in pod["status"]["message"]
    tunnel = f"wstunnel-{pod['metadata']['name']}-{POD_NAMESPACE}"
    assert site.kubectl.get("deployment", tunnel, f"--namespace={POD_NAMESPACE}")
