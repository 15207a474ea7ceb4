"""A Triton server's command line and pod, as pure functions."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.model_repository import MountedRepository
from components.triton import liveness
from components.triton.args import TritonPoolArgs
from components.triton.node_pool import pod_template, promise
from components.triton.pool import deployment_spec
from components.triton.server_pod import pod_spec
from stacks.schema import StackConfig
from tests.support.configs import stack_config
from tests.support.pool_args import pool_args

SERVER: Mapping[str, Any] = {"image": "example.org/triton:24.10", "cpu_cores": 2.0, "memory_gib": 4.0}
GPU_POOL = {"kind": "kubernetes", "name": "gpu", "servers_max": 4, "gpu": {}}


def command_line(args: TritonPoolArgs) -> list[str]:
    (container,) = pod_spec(args, "a-map")["containers"]
    return list(container["args"])


def rollout_of(config: StackConfig) -> Any:
    args = pool_args(config)
    return deployment_spec(args, pod_template(args, "a-map"), promise(args))


def args_of(flags: Mapping[str, Any] | None = None, **server: Any) -> list[str]:
    return command_line(pool_args(stack_config(experiment={"server": {**SERVER, **server, "flags": flags or {}}})))


def pod_of(*, pool: Mapping[str, Any] | None = None, **server: Any) -> Any:
    site = {} if pool is None else {"pools": [pool]}
    return pod_spec(pool_args(stack_config(site=site, experiment={"server": {**SERVER, **server}})), "a-map")


def test_the_command_line_of_a_server_without_flags() -> None:
    assert args_of() == [
        "--model-repository=/models",
        "--model-control-mode=explicit",
        "--load-model=identity",
        "--load-model=particlenet",
        "--strict-readiness=true",
        "--grpc-port=8001",
        "--grpc-http2-max-ping-strikes=0",
        "--http-port=8000",
        "--metrics-port=8002",
        "--exit-timeout-secs=60",
    ]


def test_model_control_none_loads_no_model_by_name() -> None:
    found = args_of({"model_control_mode": "none"})
    assert "--model-control-mode=none" in found
    assert [a for a in found if a.startswith("--load-model")] == []


def test_polled_repositories_load_no_model_by_name() -> None:
    found = args_of({"model_control_mode": "poll", "repository_poll_seconds": 60, "strict_readiness": False})
    assert {"--model-control-mode=poll", "--repository-poll-secs=60", "--strict-readiness=false"} <= set(found)
    assert [a for a in found if a.startswith("--load-model")] == []


def test_all_models_are_loaded_instead_of_the_expected() -> None:
    assert [a for a in args_of({"load_model": "*"}) if a.startswith("--load-model")] == ["--load-model=*"]


def test_every_gpu_of_a_server_has_a_memory_pool() -> None:
    found = args_of({"cuda_memory_pool_mib": 1}, gpus=2)
    assert [a for a in found if "cuda" in a] == [f"--cuda-memory-pool-byte-size={gpu}:1048576" for gpu in (0, 1)]


def test_extra_flags_come_last() -> None:
    flags = ["--trace-config=level=TIMESTAMPS", "--trace-config=rate=100"]
    assert args_of(extra_flags=flags)[-2:] == flags


def test_every_repository_is_on_the_command_line() -> None:
    repository = MountedRepository(repository_urls=("/cvmfs/a", "/cvmfs/b"))
    found = command_line(pool_args(stack_config(), repository=repository))
    assert found[:2] == ["--model-repository=/cvmfs/a", "--model-repository=/cvmfs/b"]


@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        ({"auto_complete_config": False}, "--disable-auto-complete-config"),
        ({"strict_readiness": False}, "--strict-readiness=false"),
        ({"log_verbose_level": 2}, "--log-verbose=2"),
        ({"load_model": "*"}, "--load-model=*"),
        ({"exit_on_error": False, "strict_readiness": False}, "--exit-on-error=false"),
        ({"buffer_manager_thread_count": 4}, "--buffer-manager-thread-count=4"),
        ({"pinned_memory_pool_mib": 2048}, "--pinned-memory-pool-byte-size=2147483648"),
        ({"cuda_memory_pool_mib": 1024}, "--cuda-memory-pool-byte-size=0:1073741824"),
        ({"cuda_virtual_address_mib": 4}, "--cuda-virtual-address-size=0:4194304"),
        ({"grpc_infer_thread_count": 8}, "--grpc-infer-thread-count=8"),
        ({"model_load_thread_count": 2}, "--model-load-thread-count=2"),
        (
            {"backend_settings": [{"backend": "python", "key": "shm-default-byte-size", "value": "1048576"}]},
            "--backend-config=python,shm-default-byte-size=1048576",
        ),
    ],
)
def test_only_a_declared_flag_is_on_the_command_line(flags: Mapping[str, Any], argument: str) -> None:
    assert argument in args_of(flags)
    assert argument not in args_of()


def test_the_startup_probe_lasts_for_the_start_timeout() -> None:
    (container,) = pod_of(start_timeout_seconds=301)["containers"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] in (301, 302)
    assert startup["httpGet"] == container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8000}


def test_liveness_runs_the_mounted_script_for_longer_than_its_longest_look() -> None:
    pod = pod_of()
    (container,) = pod["containers"]
    probe = container["livenessProbe"]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/liveness/liveness.py /liveness;" in probe["exec"]["command"][2]
    assert "/liveness" in mounts
    assert probe["timeoutSeconds"] > 2 * liveness.ANSWER_SECONDS + liveness.TEST_SECONDS


def test_the_grace_period_is_longer_than_pre_stop_and_exit_timeout() -> None:
    args = pool_args(stack_config())
    pod = pod_spec(args, "a-map")
    (container,) = pod["containers"]
    program, pre_stop_seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    exit_seconds = int(next(a for a in container["args"] if "exit-timeout" in a).partition("=")[2])
    assert pod["terminationGracePeriodSeconds"] > int(pre_stop_seconds) + exit_seconds


def test_resources_are_whole_numbers_and_limits_equal_requests() -> None:
    (container,) = pod_of(cpu_cores=0.25, memory_gib=1.5)["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert (requests["cpu"], requests["memory"], requests["nvidia.com/gpu"]) == ("250m", "1536Mi", "1")
    assert all(limits[key] == requests[key] for key in ("cpu", "memory", "nvidia.com/gpu"))


def test_a_request_below_the_limit_is_said_by_name() -> None:
    (container,) = pod_of(cpu_cores=4, memory_gib=4, cpu_request_cores=0.5, memory_request_gib=1)["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert (requests["cpu"], requests["memory"]) == ("500m", "1024Mi")
    assert (limits["cpu"], limits["memory"]) == ("4000m", "4096Mi")


def test_scratch_has_the_declared_size_and_room_for_logs() -> None:
    pod = pod_of(scratch_gib=40)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["scratch"]["emptyDir"] == {"sizeLimit": "40Gi"}
    assert pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "41Gi"


def test_probes_have_the_declared_budget() -> None:
    slow = {"period_seconds": 10, "timeout_seconds": 15, "failures": 10}
    probes = {"startup": {"period_seconds": 10, "timeout_seconds": 15}, "readiness": slow, "liveness": slow}
    (container,) = pod_of(probes=probes, start_timeout_seconds=240)["containers"]
    budget = {"periodSeconds": 10, "timeoutSeconds": 15}
    for probe, failures in (("startupProbe", 24), ("readinessProbe", 10), ("livenessProbe", 10)):
        assert container[probe].items() >= {**budget, "failureThreshold": failures}.items(), probe


def test_variables_are_plain_or_from_the_secret_of_the_pool() -> None:
    server = {**SERVER, "environment": {"OMP_NUM_THREADS": "4"}, "secret_environment": {"TOKEN": "hub-token"}}
    args = pool_args(stack_config(experiment={"server": server}))
    pod = pod_spec(args, "sonic-demo-liveness", "sonic-demo-environment")
    env = pod["containers"][0]["env"]
    assert {"name": "OMP_NUM_THREADS", "value": "4"} in env
    source = {"secretKeyRef": {"name": "sonic-demo-environment", "key": "TOKEN"}}
    assert {"name": "TOKEN", "valueFrom": source} in env


def test_data_of_the_site_is_mounted_read_only_beside_the_models() -> None:
    data = {"geometry": {"kind": "pvc", "claim": "traccc"}, "cvmfs": {"kind": "pvc", "claim": "cvmfs"}}
    storage = {"s3": {"endpoint_url": "http://10.0.0.1:9000"}, "data": data}
    mounts = [
        {"volume": "geometry", "path": "/traccc/itk-geometry", "sub_path": "itk"},
        {"volume": "geometry", "path": "/traccc/other"},
        {"volume": "cvmfs", "path": "/cvmfs"},
    ]
    config = stack_config(site={"storage": storage}, experiment={"server": {**SERVER, "data": mounts}})
    pod = pod_spec(pool_args(config), "a-map")
    claims = {
        v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v
    }
    assert claims == {"data-geometry": "traccc", "data-cvmfs": "cvmfs"}
    mounted = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert (
        mounted["/traccc/itk-geometry"].items() >= {"name": "data-geometry", "readOnly": True, "subPath": "itk"}.items()
    )
    assert "subPath" not in mounted["/cvmfs"]


def test_a_server_without_gpus_requests_no_gpu_and_has_no_affinity() -> None:
    pod = pod_of(gpus=0)
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["limits"]
    assert "affinity" not in pod


def test_gpu_products_are_a_required_node_affinity() -> None:
    required = pod_of()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-A10"]}
    assert required == {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}


def test_a_pool_without_gpu_products_has_no_affinity() -> None:
    assert "affinity" not in pod_of(pool=GPU_POOL)


def test_the_pod_has_the_node_selector_and_tolerations_of_its_pool() -> None:
    toleration = {"key": "dedicated", "operator": "Equal", "value": "cms", "effect": "NoSchedule"}
    pod = pod_of(pool={**GPU_POOL, "node_selector": {"zone": "ucsd"}, "tolerations": [toleration]})
    assert pod["nodeSelector"] == {"zone": "ucsd"}
    assert pod["tolerations"] == [toleration]


def test_shared_memory_has_the_declared_size() -> None:
    volumes = {volume["name"]: volume for volume in pod_of(shared_memory_mib=2048)["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2048Mi"}


def test_shared_memory_grows_with_the_expected_models() -> None:
    def size(models: int) -> str:
        repository = {"kind": "image", "paths": ["/models"]}
        expected = [{"name": f"model-{number}"} for number in range(models)]
        config = stack_config(experiment={"models": {"repository": repository, "expected": expected}})
        volumes = {volume["name"]: volume for volume in pod_spec(pool_args(config), "a-map")["volumes"]}
        return str(volumes["shared-memory"]["emptyDir"]["sizeLimit"])

    assert (size(1), size(10)) == ("256Mi", "640Mi")


def test_volumes_mounts_and_variables_of_the_repository_are_in_the_pod() -> None:
    repository = MountedRepository(
        repository_urls=("/models",),
        volumes=({"name": "models"},),
        volume_mounts=({"name": "models", "mountPath": "/models"},),
        env=({"name": "AWS_DEFAULT_REGION", "value": "us-east-1"},),
    )
    pod = pod_spec(pool_args(stack_config(), repository=repository), "a-map")
    (container,) = pod["containers"]
    assert {"name": "models"} in pod["volumes"]
    assert {"name": "models", "mountPath": "/models"} in container["volumeMounts"]
    assert {"name": "AWS_DEFAULT_REGION", "value": "us-east-1"} in container["env"]


@pytest.mark.parametrize(
    ("spare", "update"),
    [(0, {"maxSurge": 0, "maxUnavailable": 1}), (2, {"maxSurge": 1, "maxUnavailable": 0})],
)
def test_a_rollout_surges_only_with_spare_servers(spare: int, update: dict[str, int]) -> None:
    config = stack_config(site={"pools": [{**GPU_POOL, "spare_servers": spare}]})
    assert rollout_of(config)["strategy"]["rollingUpdate"] == update


def test_the_progress_deadline_is_longer_than_the_start_timeout() -> None:
    config = stack_config(experiment={"server": {**SERVER, "start_timeout_seconds": 3600}})
    assert rollout_of(config)["progressDeadlineSeconds"] > 3600


@pytest.mark.parametrize(("ip_families", "addresses"), [(["IPv4", "IPv6"], []), (["IPv6"], ["--http-address=ipv6:::"])])
def test_probes_reach_triton_at_the_family_of_the_pods_own_address(
    ip_families: list[str], addresses: list[str]
) -> None:
    access = {"context": "test", "namespace": "sonic-demo", "ip_families": ip_families}
    found = command_line(pool_args(stack_config(site={"access": access})))
    assert [argument for argument in found if "address" in argument] == addresses
