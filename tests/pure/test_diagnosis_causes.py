"""Each failure of a stack is told by its cause, with the way out."""

from pathlib import Path
from typing import Any

import pytest

from diagnosis.logs import last_words, load_errors
from diagnosis.report import causes
from diagnosis.snapshot import Snapshot
from stacks.resolve import resolve
from tests.support.snapshots import (
    DEPLOYMENT,
    Json,
    crashed,
    deployment,
    named,
    of_pods,
    pod,
    refused,
    snapshot,
    unscheduled,
    waiting,
    warning,
)

CONFIG = resolve("purdue-cms").config


def told(found: Snapshot, declared: list[Json] | None = None) -> list[tuple[str, str]]:
    """Return subject and finding of each cause, and demand a way out of each."""
    listed = causes(found, CONFIG, declared or [])
    assert all(cause.way_out for cause in listed)
    return [(cause.subject, cause.finding) for cause in listed]


def ready_pod(name: str) -> Json:
    found = pod(name, container={"ready": True, "state": {"running": {}}})
    found["status"]["conditions"].append({"type": "Ready", "status": "True"})
    return found


def test_a_stack_that_is_well_has_no_cause() -> None:
    assert told(of_pods(ready_pod("a"))) == []


def test_a_server_that_is_starting_has_no_cause() -> None:
    assert told(of_pods(pod("a", container={"state": {"running": {}}}))) == []


@pytest.mark.parametrize(
    ("failing", "finding"),
    [
        (pod("p", container=crashed(1)), "it ends with exit code 1 (3 restarts)"),
        (pod("p", container=crashed(137, reason="OOMKilled")), "it was killed, out of memory (3 restarts)"),
        (
            pod("p", container=waiting("ErrImagePull", "manifest unknown")),
            "its image img:1 cannot be pulled: manifest unknown",
        ),
        (
            pod("p", container=waiting("CreateContainerConfigError", 'secret "s3" not found')),
            'it cannot be started: secret "s3" not found',
        ),
    ],
    ids=["crash", "out of memory", "image", "secret"],
)
def test_a_container_that_does_not_run_tells_why(failing: Json, finding: str) -> None:
    assert told(of_pods(failing)) == [("pod p, container triton", finding)]


def test_a_server_killed_by_its_startup_probe_is_told_from_one_out_of_memory() -> None:
    killed = pod("p", container=crashed(137))
    event = warning("p", "Killing", "Container triton failed startup probe, will be restarted")
    assert told(of_pods(killed, events=[event])) == [
        ("pod p, container triton", "it was not ready within its start time, and was killed (3 restarts)")
    ]


@pytest.mark.parametrize(
    ("message", "way_out"),
    [
        ('persistentvolumeclaim "cvmfs" not found', "make the claim, correct its name in site.storage, or"),
        ("0/9 nodes are available: 9 Insufficient nvidia.com/gpu", "free GPUs, or lower servers_max"),
        ("0/9 nodes are available: 9 Insufficient memory", "lower server.cpu_cores or server.memory_gib"),
        ("0/9 nodes are available: 9 node(s) had untolerated taint {hub: }", "compare the pool's node_selector"),
    ],
)
def test_a_pod_without_a_node_tells_what_to_change(message: str, way_out: str) -> None:
    (cause,) = causes(of_pods(unscheduled("p", message, age_seconds=5)), CONFIG, [])
    assert cause.finding == f"no node takes it: {message}"
    assert cause.way_out.startswith(way_out)


@pytest.mark.parametrize(
    ("message", "way_out"),
    [
        ('pods "p" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1', "ask the cluster's"),
        ("maximum memory usage per Container is 8Gi, but limit is 16Gi", "keep server and proxy sizes within"),
        ('pods "p" is forbidden: violates PodSecurity "restricted:latest"', "set the namespace's Pod Security level"),
        ("no PriorityClass with name batch was found", "name a PriorityClass that the cluster has"),
        ('error looking up service account cms/x: serviceaccount "x" not found', "run pulumi up --refresh"),
        ('admission webhook "policy.example.org" denied the request: no', "do as this rule of the cluster asks"),
        (
            "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'team' with binding 'all' denied request: no",
            "do as this",
        ),
        ("spec.containers[0]: Invalid value", "change what the message names"),
    ],
)
def test_refused_pods_tell_the_rule_that_refuses_them(message: str, way_out: str) -> None:
    (cause,) = causes(snapshot(deployments=[deployment(**refused(message, seconds=1))]), CONFIG, [])
    assert (cause.subject, cause.finding) == (
        f"Deployment {DEPLOYMENT}",
        f"the API server refuses its pods: {message}",
    )
    assert cause.way_out.startswith(way_out)


def test_a_volume_that_is_not_mounted_is_told_in_the_kubelets_words() -> None:
    event = warning("p", "FailedMount", "MountVolume.SetUp failed: connection refused")
    assert told(of_pods(pod("p"), events=[event])) == [
        ("pod p", "a volume is not mounted: MountVolume.SetUp failed: connection refused")
    ]


def test_a_missing_secret_is_told_from_storage_that_fails() -> None:
    event = warning("p", "FailedMount", 'MountVolume.SetUp failed for volume "tls" : secret "sonic-tls" not found')
    (cause,) = causes(of_pods(pod("p"), events=[event]), CONFIG, [])
    assert cause.way_out.startswith("make in the namespace what the message names")


def test_a_claim_without_a_volume_tells_why_in_the_clusters_words() -> None:
    waiting_pod = unscheduled("p", "pod has unbound immediate PersistentVolumeClaims", age_seconds=5)
    waiting_pod["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "cvmfs"}}, {"emptyDir": {}}]}
    claims = [{"metadata": named(name), "status": {"phase": "Pending"}} for name in ("cvmfs", "not-mounted")]
    event = warning("cvmfs", "ProvisioningFailed", 'StorageClass "cvmfs" not found')
    assert told(of_pods(waiting_pod, claims=claims, events=[event])) == [
        (
            "PersistentVolumeClaim cvmfs",
            'it is Pending, without a volume, so no pod that mounts it starts: StorageClass "cvmfs" not found',
        )
    ]


def test_pods_that_fail_alike_are_one_cause() -> None:
    same = [pod(name, container=crashed(1)) for name in ("a", "b", "c")]
    assert told(of_pods(*same)) == [("pod a, container triton and 2 more", "it ends with exit code 1 (3 restarts)")]


def test_pods_that_stop_are_no_cause() -> None:
    stopping = pod("p", container=crashed(1))
    stopping["metadata"]["deletionTimestamp"] = "2026-11-27T12:00:00Z"
    assert told(of_pods(stopping)) == []


def test_an_object_that_is_gone_is_named() -> None:
    service = {"kind": "Service", "metadata": {"name": "sonic-cms-envoy"}}
    (cause,) = causes(snapshot(), CONFIG, [service])
    assert cause.subject == "Service sonic-cms-envoy"
    assert cause.way_out == "pulumi up --refresh --stack purdue-cms"


def test_a_namespace_that_is_gone_is_the_only_cause() -> None:
    service = {"kind": "Service", "metadata": {"name": "sonic-cms-envoy"}}
    assert told(snapshot(namespace=None), [service]) == [("namespace cms", "the cluster does not have it")]


def test_a_namespace_that_is_being_deleted_tells_what_holds_it() -> None:
    blocked = {"type": "NamespaceContentRemaining", "status": "True", "message": "has finalizers: keda"}
    namespace = {"metadata": named("cms"), "status": {"phase": "Terminating", "conditions": [blocked]}}
    assert told(snapshot(namespace=namespace)) == [("namespace cms", "it is being deleted: has finalizers: keda")]


def service(name: str, **spec: object) -> Json:
    return {"metadata": named(name), "spec": {"selector": {"a": "b"}, **spec}, "status": {}}


def test_a_service_without_a_ready_pod_is_told() -> None:
    empty = {"metadata": named("s"), "subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1"}]}]}
    assert told(snapshot(services=[service("s")], endpoints=[empty])) == [
        ("Service s", "no ready pod is behind it, so calls to it fail")
    ]


def test_a_load_balancer_without_an_address_is_told_with_its_last_event() -> None:
    ready = {"metadata": named("s"), "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}
    event = warning("s", "AllocationFailed", "no available IPs")
    found = snapshot(services=[service("s", type="LoadBalancer")], endpoints=[ready], events=[event])
    assert told(found) == [("Service s", "it has no address yet: no available IPs")]


TRITON_LOG = (Path(__file__).parent / "logs/triton.log").read_text().splitlines()
"""Lines of Triton 24.10 with four models that do not load; a live test reads the real one."""


def test_models_that_do_not_load_are_read_from_tritons_log() -> None:
    assert load_errors(TRITON_LOG) == {
        "broken": "Internal: ModuleNotFoundError: No module named 'x'",
        "absent": "model not found in any model repository.",
        "empty": "at least one version must be available under the version policy of model 'empty'",
        "misspelt": "failed to read text proto from /models/misspelt/config.pbtxt",
    }


def test_the_last_words_are_the_errors_of_the_log() -> None:
    assert [line[:5] for line in last_words(TRITON_LOG)] == ["E1127", "E1127", "E1127", "error"]


def test_the_last_words_without_an_error_are_the_last_lines() -> None:
    assert last_words(["one", "", "two", "three", "four", "five"]) == ("two", "three", "four", "five")


HELP = ["Usage: tritonserver [options]", "  --help", "\tPrint usage", "", "Server:", "  --id <string>", "\tIdentifier"]
BAD_VALUE = ['Bad option: "--log-verbose".', "Invalid option value. Got abc"]


@pytest.mark.parametrize(
    ("log", "error", "words"),
    [
        (
            ["tritonserver: unrecognized option '--trace-confg=level=OFF'", *HELP],
            ": unrecognized option '--trace-confg=level=OFF'",
            ("tritonserver: unrecognized option '--trace-confg=level=OFF'",),
        ),
        ([*HELP, *BAD_VALUE, ""], "", tuple(BAD_VALUE)),
        (
            ["error: creating server: Internal - failed to stat file /models"],
            ": creating server: Internal - failed to stat file /models",
            ("error: creating server: Internal - failed to stat file /models",),
        ),
    ],
    ids=["an unknown flag", "a wrong value", "no repository"],
)
def test_a_triton_that_ends_at_once_gives_its_own_reason(log: list[str], error: str, words: tuple[str, ...]) -> None:
    (cause,) = causes(of_pods(pod("p", container=crashed(1)), log=log), CONFIG, [])
    assert cause.finding == f"it ends with exit code 1{error} (3 restarts)"
    assert cause.last_words == words


REFUSED = (
    "[2026-11-27 14:34:34.316][1][warning][config] [source/extensions/config_subscription/filesystem/"
    "filesystem_subscription_impl.cc:64] Filesystem config update rejected: Failed to load certificate chain from "
    "<inline>"
)
CRITICAL = (
    "[2026-11-27 14:38:13.408][1][critical][main] [source/server/server.cc:453] error `cannot bind '[::]:8001': "
    "Address family not supported by protocol` initializing config '/etc/sonic-envoy/envoy.json'"
)


def envoy_pod(**status: Any) -> Json:
    """Return a pod of Envoy that mounts its configuration and one Secret."""
    volumes = [{"name": "config", "configMap": {"name": "c"}}, {"name": "tls", "secret": {"secretName": "sonic-tls"}}]
    mounts = [{"name": "config", "mountPath": "/c"}, {"name": "tls", "mountPath": "/t"}]
    spec = {"containers": [{"name": "envoy", "volumeMounts": mounts}], "volumes": volumes}
    return {**pod("e", container={"name": "envoy", **status}), "spec": spec}


def test_an_envoy_that_runs_and_refuses_a_certificate_names_its_secret() -> None:
    (cause,) = causes(of_pods(envoy_pod(state={"running": {}}), log=[REFUSED, "later"]), CONFIG, [])
    assert cause.finding == "Envoy refuses its configuration: Failed to load certificate chain from <inline>"
    assert "in Secret sonic-tls" in cause.way_out
    assert cause.last_words == (REFUSED,)


def test_an_envoy_that_was_restarted_for_a_certificate_says_so_still() -> None:
    assert told(of_pods(envoy_pod(**crashed(0)), log=[REFUSED])) == [
        (
            "pod e, container envoy",
            "Envoy refuses its configuration: Failed to load certificate chain from <inline>",
        )
    ]


def test_an_envoy_that_ends_at_its_configuration_gives_its_own_reason() -> None:
    assert told(of_pods(envoy_pod(**crashed(1)), log=[CRITICAL])) == [
        (
            "pod e, container envoy",
            "Envoy refuses its configuration: cannot bind '[::]:8001': Address family not supported by protocol",
        )
    ]
