"""A healthy stack as series, and causes that raise alerts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from components.monitoring.rules import RuleFacts
from tests.support.rule_tests import GPU, INSTANCE, NODE, TARGET, facts, series_of

_NAMESPACE = "sonic-demo"
_STEADY, _ZERO = "1x90", "0x90"
_GONE = "_x90"


def _of_server(pod: str, ip: str, host: str) -> dict[str, str]:
    """Return the series of a server that executes one request a second of each of two models, for 10 ms each."""
    own = {"namespace": _NAMESPACE, "pod": pod}
    found = {series_of("up", **own, instance=f"{ip}:8002"): _STEADY}
    for model in ("m", "n"):
        of_model = {**own, "model": model, "version": "1"}
        found |= {
            series_of("nv_inference_request_success", **of_model): "0+60x90",
            series_of("nv_inference_request_failure", **of_model, reason="BACKEND"): _ZERO,
            series_of("nv_inference_request_failure", **of_model, reason="CANCELED"): "0+1x90",
            series_of("nv_inference_exec_count", **of_model): "0+60x90",
            series_of("nv_inference_pending_request_count", **of_model): _ZERO,
            series_of("nv_inference_queue_duration_us", **of_model): "0+600x90",
            series_of("nv_inference_compute_input_duration_us", **of_model): _ZERO,
            series_of("nv_inference_compute_infer_duration_us", **of_model): "0+600000x90",
            series_of("nv_inference_compute_output_duration_us", **of_model): _ZERO,
        }
    gpu = {**own, "gpu_uuid": f"GPU-{pod}"}
    found |= {
        series_of("nv_gpu_memory_used_bytes", **gpu): "8e9x90",
        series_of("nv_gpu_memory_total_bytes", **gpu): "16e9x90",
    }
    for envoy in ENVOYS:
        endpoint = {"envoy_endpoint_address": f"{ip}:8001", "envoy_endpoint_hostname": host}
        found[of_envoy("cluster_endpoint_healthy", envoy, envoy_cluster_name="servers", **endpoint)] = _STEADY
    return found


def of_envoy(name: str, envoy: str, **labels: str) -> str:
    """Return a series of an Envoy."""
    return series_of(f"envoy_{name}", namespace=_NAMESPACE, pod=envoy, **labels)


ENVOYS = ("envoy-a", "envoy-b")
CLUSTER, CLIENTS = {"envoy_cluster_name": "servers"}, {"envoy_http_conn_manager_prefix": "clients"}


def _of_envoy(envoy: str, ip: str) -> dict[str, str]:
    """Return the series of an Envoy with ten calls a second."""
    return {
        series_of("up", namespace=_NAMESPACE, pod=envoy, instance=f"{ip}:9902"): _STEADY,
        of_envoy("cluster_membership_healthy", envoy, **CLUSTER): "2x90",
        of_envoy("cluster_upstream_rq_active_overflow", envoy, **CLUSTER): _ZERO,
        of_envoy("cluster_upstream_cx_none_healthy", envoy, **CLUSTER): _ZERO,
        of_envoy("cluster_upstream_cx_destroy_remote_with_active_rq", envoy, **CLUSTER): _ZERO,
        of_envoy("http_downstream_rq_total", envoy, **CLIENTS): "0+600x90",
        of_envoy("http_rq_direct_response", envoy, **CLIENTS): "0+6x90",
        of_envoy("http_downstream_rq_overload_close", envoy, **CLIENTS): _ZERO,
        of_envoy("http_jwt_authn_jwks_fetch_failed", envoy, **CLIENTS): _ZERO,
        of_envoy("server_days_until_first_cert_expiring", envoy): "60x90",
    }


OF_NODE = {"virtual_node": NODE}
OF_POOL = {"sonic_instance": INSTANCE, "pool": "hammer", **OF_NODE}
HEALTHY: Mapping[str, str] = {
    **_of_server("triton-gpu-a", "10.0.0.1", "gpu.example"),
    **_of_server("tunnel-a", "10.0.0.2", "hammer.example"),
    **_of_envoy("envoy-a", "10.0.1.1"),
    **_of_envoy("envoy-b", "10.0.1.2"),
    series_of("up", **OF_NODE): _STEADY,
    series_of("sonic_agent_answered", source="slurm", **OF_NODE): _STEADY,
    series_of("sonic_agent_answered", source="kubernetes", **OF_NODE): _STEADY,
    series_of("sonic_virtual_node_condition", condition="Ready", **OF_NODE): _STEADY,
    series_of("sonic_virtual_node_condition", condition="InterlinkConnectivity", **OF_NODE): _STEADY,
    series_of("sonic_janitor_overdue", finding="orphan-job", **OF_NODE): _ZERO,
    series_of("sonic_slurm_forecast_success", **OF_POOL): _STEADY,
    series_of("sonic_slurm_queue_wait_seconds", **OF_POOL): "500x90",
    series_of("sonic_slurm_ended_jobs_total", end="early", **OF_POOL): _ZERO,
    series_of("sonic_slurm_jobs", state="RUNNING", **OF_POOL): "2x90",
    series_of("sonic_slurm_jobs", state="PENDING", **OF_POOL): _STEADY,
}
"""Series in samples of one minute, as promtool writes them: value x number of further samples."""


def find(*parts: str) -> list[str]:
    """Return the healthy stack's series with all of these in their text."""
    found = [series for series in HEALTHY if all(part in series for part in parts)]
    assert found, parts
    return found


def all_of(values: str, *parts: str) -> dict[str, str]:
    """Return the series with all of these in their text, with other values."""
    return dict.fromkeys(find(*parts), values)


STACK = facts()


class Case(NamedTuple):
    """A cause, and the alerts that it raises within an hour."""

    changes: Mapping[str, str]
    """Series -> values instead of the healthy ones."""
    alerts: set[str]
    stack: RuleFacts = STACK


def _without_endpoint(address: str) -> dict[str, str]:
    """Return the changes by which no Envoy knows a server."""
    return all_of(_GONE, "endpoint_healthy", f'"{address}:8001"')


def _without_server(pod: str, address: str) -> dict[str, str]:
    """Return the changes by which a server is gone."""
    return {**all_of(_GONE, f'pod="{pod}"'), **_without_endpoint(address)}


ONE_POOL = facts(pools=(GPU,), agents=frozenset())
EMPTY_POOL = facts(pools=(replace(GPU, scale_target=replace(TARGET, servers_min=0)),), agents=frozenset())
FULL_POOL = facts(pools=(replace(GPU, scale_target=replace(TARGET, servers_max=1)),), agents=frozenset())
FIXED_POOL = facts(pools=(replace(GPU, scale_target=None),), agents=frozenset())
_NO_HEALTHY = all_of(_ZERO, "membership_healthy")
_A_QUEUE = all_of("100x90", "pending", "triton-gpu-a", 'model="m"')
_SECOND = {
    series.replace("triton-gpu-a", "triton-gpu-b").replace("10.0.0.1", "10.0.0.3"): HEALTHY[series]
    for series in find('pod="triton-gpu-a"')
}
_FAILURES = all_of("0+6x90", "failure", "triton-gpu-a", 'model="m"', "BACKEND")
_NO_SUCCESSES = all_of("60x90", "success", "triton-gpu-a", 'model="m"')

CASES: Mapping[str, Case] = {
    "no Envoy answers Prometheus": Case(
        {**all_of(_GONE, "envoy_"), **all_of(_ZERO, "up{", 'pod="envoy')}, {"SonicEnvoySilent"}
    ),
    "one Envoy does not answer": Case(
        {**all_of(_GONE, "envoy_", 'pod="envoy-b"'), **all_of(_ZERO, "up{", 'pod="envoy-b"')}, {"SonicEnvoyLost"}
    ),
    "no Envoy has a healthy server": Case(
        {**_without_server("triton-gpu-a", "10.0.0.1"), **_NO_HEALTHY}, {"SonicNoHealthyServer"}, ONE_POOL
    ),
    "one Envoy has no healthy server": Case(
        all_of(_ZERO, "membership_healthy", "envoy-b"), {"SonicNoHealthyServer"}, ONE_POOL
    ),
    "clients call a pool that stays empty": Case(
        {
            **_without_server("triton-gpu-a", "10.0.0.1"),
            **_NO_HEALTHY,
            **all_of("0+10x90", "none_healthy", "envoy-a"),
        },
        {"SonicNoHealthyServer"},
        EMPTY_POOL,
    ),
    "nobody calls an empty pool": Case(
        {**_without_server("triton-gpu-a", "10.0.0.1"), **_NO_HEALTHY}, set(), EMPTY_POOL
    ),
    "a server ends with requests in progress": Case(
        all_of("0x50 1x40", "destroy_remote", "envoy-a"), {"SonicServerEndedBusy"}
    ),
    "too many requests in progress": Case(all_of("0+60x90", "active_overflow", "envoy-a"), {"SonicOverloaded"}),
    "a few too many requests": Case(all_of("0+6x90", "active_overflow", "envoy-a"), set()),
    "tenants over their share": Case(all_of("0+200x90", "direct_response", "envoy-a"), {"SonicClientsRefused"}),
    "Envoy is out of memory": Case(all_of("0+1x90", "overload_close", "envoy-a"), {"SonicEnvoyMemoryFull"}),
    "a certificate ends soon": Case(all_of("13x90", "first_cert"), {"SonicCertificateEnding"}),
    "a certificate has ended": Case(all_of(_ZERO, "first_cert"), {"SonicCertificateEnded"}),
    "no certificate": Case(all_of("4294967295x90", "first_cert"), set()),
    "an issuer is down": Case(all_of("0+12x90", "jwks"), {"SonicIssuerKeysNotFetched"}),
    "one of two pools has no server": Case(
        _without_server("triton-gpu-a", "10.0.0.1"),
        {"SonicPoolWithoutServers"},
    ),
    "a server is not ready": Case(_SECOND, {"SonicServerNotReady"}),
    "a long queue": Case(_A_QUEUE, {"SonicQueueLong"}),
    "a long queue before all servers": Case(_A_QUEUE, {"SonicServersAtMax"}, FULL_POOL),
    "a long queue before a fixed number of servers": Case(_A_QUEUE, {"SonicQueueLong"}, FIXED_POOL),
    "a server's metrics are not read": Case(
        {**all_of(_GONE, "nv_", "triton-gpu-a"), **all_of(_ZERO, "up{", "triton-gpu-a")}, {"SonicScrapeLost"}
    ),
    "a server restarts twice": Case(all_of("1x40 0 1x5 0 1x40", "up{", "triton-gpu-a"), {"SonicServerRestarts"}),
    "a server restarts once": Case(all_of("1x40 0x3 1x45", "up{", "triton-gpu-a"), set()),
    "a model is missing": Case(all_of(_GONE, "nv_", "triton-gpu-a", 'model="n"'), {"SonicModelMissing"}),
    "all models are missing": Case(all_of(_GONE, "nv_inference", "triton-gpu-a"), {"SonicModelMissing"}),
    "a model fails every request": Case({**_FAILURES, **_NO_SUCCESSES}, {"SonicModelFails"}),
    "a model fails some requests": Case(_FAILURES, set()),
    "a client sends two wrong requests in five minutes": Case(
        {**_NO_SUCCESSES, **all_of("0+0.4x90", "failure", "triton-gpu-a", 'model="m"', "BACKEND")}, set()
    ),
    "GPU memory is full": Case(all_of("15.5e9x90", "memory_used", "triton-gpu-a"), {"SonicGpuMemoryFull"}),
    "the agent is not read": Case(all_of(_ZERO, "up{virtual_node"), {"SonicSlurmAgentSilent"}),
    "Slurm is down": Case(all_of(_ZERO, "agent_answered", '"slurm"'), {"SonicSlurmDown"}),
    "Slurm is down, and there is no forecast": Case(
        {**all_of(_ZERO, "agent_answered", '"slurm"'), **all_of(_ZERO, "forecast_success")}, {"SonicSlurmDown"}
    ),
    "the API server refuses the agent": Case(
        all_of(_ZERO, "agent_answered", "kubernetes"), {"SonicSlurmAgentLockedOut"}
    ),
    "the virtual node is not ready": Case(all_of(_ZERO, "condition", '"Ready"'), {"SonicVirtualNodeNotReady"}),
    "interLink is down": Case(all_of(_ZERO, "condition", "Interlink"), {"SonicInterlinkDown"}),
    "Slurm and Kubernetes disagree": Case(all_of("3x90", "janitor_overdue"), {"SonicSlurmLeftovers"}),
    "Slurm refuses jobs": Case(all_of(_ZERO, "forecast_success"), {"SonicSlurmRefusesJobs"}),
    "jobs wait for long": Case(all_of("601x90", "queue_wait_seconds"), {"SonicSlurmQueueLong"}),
    # A further job would start when one of the pool's servers ends, and none waits.
    "a pool fills its partition": Case(
        {**all_of("7200x90", "queue_wait_seconds"), **all_of(_ZERO, "slurm_jobs", "PENDING")}, set()
    ),
    "a job ends early": Case(all_of("0x50 1x40", "ended_jobs"), {"SonicSlurmJobEndedEarly"}),
    "no job runs": Case(
        {**_without_server("tunnel-a", "10.0.0.2"), **all_of(_ZERO, "slurm_jobs", "RUNNING")},
        {"SonicSlurmPoolEmpty", "SonicPoolWithoutServers"},
    ),
    "jobs are not reached": Case(
        _without_server("tunnel-a", "10.0.0.2"), {"SonicSlurmJobsUnreachable", "SonicPoolWithoutServers"}
    ),
}

MISSING: Mapping[str, set[str]] = {
    "envoy_cluster_endpoint_healthy": {"SonicPoolWithoutServers", "SonicServerNotReady"},
    "up": {"SonicEnvoySilent", "SonicSlurmAgentSilent", "SonicScrapeLost"},
    "nv_inference_request_success": {"SonicModelMissing", "SonicSlurmJobsUnreachable"},
}
"""Metric without any series -> the alerts that tell; any other is missing in silence."""
