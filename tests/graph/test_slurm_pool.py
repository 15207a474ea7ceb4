"""Resources of a pool of Slurm jobs: what interLink reads, and what other parts of the stack see of it."""

import re
from typing import Any

import pytest

from components.tunnel import HOST_KEY_FILE
from rendering.manifests import manifests
from stacks.resolve import resolve
from tests.support.config_cases import STACK, lay_out_happy
from tests.support.pods import admits, selects
from tests.support.tunnels import tunnels

NODES, BASTION, INGRESS = "gpu", "hammer", "edge"
"""Pools of the happy case `slurm`: of nodes, of jobs behind ssh, of jobs behind an ingress."""

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    folder = tmp_path_factory.mktemp("slurm")
    lay_out_happy("slurm", folder)
    return manifests(resolve(STACK, folder).config)


def named(rendered: list[Manifest], kind: str, pool: str) -> Manifest:
    name = f"sonic-tiny-triton-{pool}"
    (found,) = [each for each in rendered if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def template(rendered: list[Manifest], pool: str) -> Manifest:
    found: Manifest = named(rendered, "Deployment", pool)["spec"]["template"]
    return found


def annotations(rendered: list[Manifest], pool: str = BASTION) -> dict[str, str]:
    found: dict[str, str] = template(rendered, pool)["metadata"]["annotations"]
    return found


def tunnel_labels(rendered: list[Manifest], pool: str) -> dict[str, str]:
    """Labels of a pool's tunnel pods."""
    found = [each["spec"]["template"]["metadata"]["labels"] for each in tunnels(rendered)]
    (labels,) = [each for each in found if each["sonic.fastmachinelearning.org/pool"] == pool]
    return dict(labels)


def test_the_request_is_long_flags_of_one_word_each_once(rendered: list[Manifest]) -> None:
    flags = annotations(rendered)["slurm-job.vk.io/flags"].split(" ")
    assert flags == [
        "--partition=hammer-nodes",
        "--account=cms",
        "--qos=standby",
        "--constraint=avx512",
        "--reservation=conference",
        "--gres=gpu:t4:1",
        "--time=240",
        "--signal=B:TERM@86",
    ]


def test_a_job_is_of_the_user_that_the_pool_names(rendered: list[Manifest]) -> None:
    """By runAsUser: after a flag `--uid` the job's folder would still be the plugin's."""
    assert template(rendered, BASTION)["spec"]["securityContext"]["runAsUser"] == 616617
    assert "runAsUser" not in template(rendered, INGRESS)["spec"]["securityContext"]


def test_limits_are_the_request_for_cpus_and_memory_and_the_scheduler_counts_nothing(rendered: list[Manifest]) -> None:
    (container,) = template(rendered, BASTION)["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "2", "memory": "4096Mi"},
        "requests": {"cpu": "1m", "memory": "1Mi"},
    }


def test_a_pod_is_on_its_node_and_stays_while_interlink_is_away(rendered: list[Manifest]) -> None:
    spec = template(rendered, BASTION)["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "interlink-hammer"}
    assert {each["key"]: each.get("tolerationSeconds") for each in spec["tolerations"]} == {
        "virtual-node.interlink/no-schedule": None,
        "node.kubernetes.io/not-ready": None,
        "node.kubernetes.io/unreachable": None,
    }


def test_a_deleted_pod_goes_soon(rendered: list[Manifest]) -> None:
    """Its job is cancelled at once, however long the pod stays, and `Recreate` waits for the pod."""
    assert template(rendered, BASTION)["spec"]["terminationGracePeriodSeconds"] <= 10


def test_a_pod_has_nothing_that_the_plugin_drops_or_misreads(rendered: list[Manifest]) -> None:
    spec = template(rendered, BASTION)["spec"]
    (container,) = spec["containers"]
    assert "volumes" not in spec
    assert "runAsUser" not in container["securityContext"]
    assert not {"livenessProbe", "lifecycle", "volumeMounts", "ports"} & container.keys()
    assert container["env"] == [{"name": "OMP_NUM_THREADS", "value": "2"}]
    assert [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe")] == [8000, 8000]


def test_the_server_listens_at_the_address_of_its_job_alone(rendered: list[Manifest]) -> None:
    (container,) = template(rendered, BASTION)["spec"]["containers"]
    shell, flag, command = container["command"]
    assert (shell, flag) == ("sh", "-c")
    assert command.startswith("exec tritonserver --model-repository=/models ")
    assert command.endswith(
        '"--grpc-address=$SONIC_ADDRESS" "--http-address=$SONIC_ADDRESS" "--metrics-address=$SONIC_ADDRESS"'
    )


def test_an_image_is_a_folder_where_there_are_unpacked_ones(rendered: list[Manifest]) -> None:
    images = {pool: template(rendered, pool)["spec"]["containers"][0]["image"] for pool in (BASTION, INGRESS)}
    unpacked = "/cvmfs/unpacked.cern.ch/registry.hub.docker.com/fastml/triton-torchgeo:26.04-py3-geometric"
    assert images == {BASTION: unpacked, INGRESS: "fastml/triton-torchgeo:26.04-py3-geometric"}


def test_a_job_that_pulls_its_image_has_more_time_to_start(rendered: list[Manifest]) -> None:
    tries = {
        pool: template(rendered, pool)["spec"]["containers"][0]["startupProbe"]["failureThreshold"]
        for pool in (BASTION, INGRESS)
    }
    assert tries[INGRESS] > tries[BASTION]


def test_folders_of_the_compute_nodes_are_bound(rendered: list[Manifest]) -> None:
    assert annotations(rendered)["slurm-job.vk.io/singularity-options"] == (
        "--bind /cvmfs:/cvmfs:ro --bind /depot/cms/models:/models:ro --bind /depot/cms/calibration:/calibration:ro"
    )


def test_the_tunnel_is_in_the_namespace_and_its_key_pair_is_not_the_jobs(rendered: list[Manifest]) -> None:
    found = annotations(rendered)
    assert found["interlink.eu/shadow-same-ns"] == "true"
    assert found["interlink.eu/wstunnel-extra-ports"] == "8000:http:TCP,8001:grpc:TCP,8002:metrics:TCP"
    (secret,) = [each for each in rendered if each["kind"] == "Secret"]
    assert found["sonic.fastmachinelearning.org/tunnel-secret"] == secret["metadata"]["name"]
    assert {"ssh_host_ed25519_key", "authorized_keys"} <= secret["stringData"].keys()
    assert "sonic.fastmachinelearning.org/tunnel-secret" not in annotations(rendered, INGRESS)


def test_the_service_finds_tunnel_pods_of_its_pool_and_no_virtual_pod(rendered: list[Manifest]) -> None:
    for pool, other in ((BASTION, INGRESS), (INGRESS, BASTION)):
        selector = named(rendered, "Service", pool)["spec"]["selector"]
        assert selects(selector, tunnel_labels(rendered, pool))
        assert not selects(selector, tunnel_labels(rendered, other))
        assert not selects(selector, template(rendered, pool)["metadata"]["labels"])


def test_no_service_of_the_stack_finds_a_virtual_pod(rendered: list[Manifest]) -> None:
    labels = template(rendered, BASTION)["metadata"]["labels"]
    found = [each["metadata"]["name"] for each in rendered if each["kind"] == "Service"]
    selecting = [
        each["metadata"]["name"]
        for each in rendered
        if each["kind"] == "Service" and selects(each["spec"]["selector"], labels)
    ]
    assert {"sonic-tiny-server-metrics", "sonic-tiny-tunnel-metrics"} <= set(found)
    assert selecting == []


def test_prometheus_finds_no_virtual_pod(rendered: list[Manifest]) -> None:
    assert [key for key in annotations(rendered) if key.startswith("prometheus.io/")] == []


def test_envoy_reaches_tunnel_pods_and_these_reach_nobody(rendered: list[Manifest]) -> None:
    policies = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    envoy = named_envoy(rendered)["spec"]["template"]["metadata"]["labels"]
    for pool in (BASTION, INGRESS):
        tunnel = tunnel_labels(rendered, pool)
        assert admits(policies, "egress", envoy, {"labels": tunnel}, 8001)
        assert admits(policies, "ingress", tunnel, {"labels": envoy}, 8001)
        assert not admits(policies, "ingress", tunnel, {"labels": envoy}, 8002)
        assert named(rendered, "NetworkPolicy", pool)["spec"]["egress"] == []


def named_envoy(rendered: list[Manifest]) -> Manifest:
    (found,) = [
        each for each in rendered if each["kind"] == "Deployment" and each["metadata"]["name"] == "sonic-tiny-envoy"
    ]
    return found


def test_sessions_come_from_the_bastion_or_the_ingress_controller_alone(rendered: list[Manifest]) -> None:
    of_ssh = named(rendered, "NetworkPolicy", BASTION)["spec"]["ingress"][-1]
    assert of_ssh == {
        "from": [{"ipBlock": {"cidr": "192.0.2.7/32"}}],
        "ports": [{"port": 2222, "protocol": "TCP"}],
    }
    policies = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    controller = {"labels": {"app": "nginx"}, "namespace": "ingress-nginx"}
    assert admits(policies, "ingress", tunnel_labels(rendered, INGRESS), controller, 8080)
    assert not admits(policies, "ingress", tunnel_labels(rendered, BASTION), controller, 2222)


def test_a_node_drain_takes_one_tunnel_pod_at_a_time(rendered: list[Manifest]) -> None:
    selector = named(rendered, "PodDisruptionBudget", BASTION)["spec"]["selector"]["matchLabels"]
    assert selects(selector, tunnel_labels(rendered, BASTION))


def test_the_query_of_a_pool_matches_the_names_of_its_tunnel_pods_alone(rendered: list[Manifest]) -> None:
    (scaled,) = [
        each
        for each in rendered
        if each["kind"] == "ScaledObject" and each["metadata"]["name"] == "sonic-tiny-triton-hammer"
    ]
    (pattern,) = {
        pattern
        for trigger in scaled["spec"]["triggers"]
        for pattern in re.findall(r'pod=~"([^"]*)"', trigger["metadata"]["query"])
    }
    cut = "wstunnel-sonic-tiny-triton-hammer-7d4b9c6f5-x2lqp-sonic-7c9d8f6b54-"[:58]
    assert re.fullmatch(pattern, f"{cut}k8z2p")
    assert not re.fullmatch(pattern, "sonic-tiny-triton-hammer-7d4b9c6f5-x2lqp")
    assert not re.fullmatch(pattern, "wstunnel-sonic-tiny-triton-hammer-large-7d4b9c6f5-x2lqp-sonic-7c9d8k8z2p")


def test_the_virtual_kubelet_may_make_tunnels_in_the_namespace(rendered: list[Manifest]) -> None:
    binding = named(rendered, "RoleBinding", BASTION)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "interlink-hammer", "namespace": "interlink"}]
    rules = named(rendered, "Role", BASTION)["rules"]
    assert {resource for rule in rules for resource in rule["resources"]} >= {"deployments", "services", "ingresses"}
    assert not {resource for rule in rules for resource in rule["resources"]} & {"secrets", "namespaces"}


def test_an_update_waits_as_long_as_a_job_may_wait_in_the_queue(rendered: list[Manifest]) -> None:
    of_nodes = named(rendered, "Deployment", NODES)["spec"]["progressDeadlineSeconds"]
    of_jobs = named(rendered, "Deployment", BASTION)["spec"]["progressDeadlineSeconds"]
    assert of_jobs > 600 + 300
    assert of_nodes > 1200 + 300


@pytest.mark.parametrize("pool", [BASTION, INGRESS])
def test_a_pod_is_available_when_it_is_ready(rendered: list[Manifest], pool: str) -> None:
    """InterLink reports no time since when, so that with `minReadySeconds` no pod ever is: seen in the dev cluster."""
    assert named(rendered, "Deployment", pool)["spec"]["minReadySeconds"] == 0


@pytest.mark.parametrize("pool", [BASTION, INGRESS])
def test_a_pod_is_ready_when_every_envoy_has_its_server(rendered: list[Manifest], pool: str) -> None:
    """A rollout ends the next server then. The tunnel pod's probe, the endpoints and DNS need up to 41 s."""
    readiness = template(rendered, pool)["spec"]["containers"][0]["readinessProbe"]
    assert (readiness["successThreshold"] - 1) * readiness["periodSeconds"] >= 41


def test_the_host_key_ends_with_a_newline(rendered: list[Manifest]) -> None:
    """`pulumi config set` takes it off, and sshd would not read the key: seen in the dev cluster."""
    keys = [each["stringData"][HOST_KEY_FILE] for each in rendered if HOST_KEY_FILE in each.get("stringData", {})]
    assert keys
    assert all(key.endswith("\n") for key in keys)
