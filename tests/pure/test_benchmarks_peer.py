"""Each fact of SuperSONIC 0.3.1 that the benchmarks' peer reproduces, and where the fact is from.

Paths are of fastmachinelearning/SuperSONIC at e578801 (release 0.3.1, 2026-05-25), below helm/supersonic.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peer
from benchmarks.peer import shutdown

CONFIGMAPS = "templates/envoy/configmaps.yaml"
VALUES = "values.yaml"
LUA = "cfg/envoy-filter.lua"
TRITON = "templates/triton/deployment.yaml"
ENVOY = "templates/envoy/deployment.yaml"
SCALED_OBJECT = "templates/keda/so.yaml"

LOAD_LIMIT = peer.LoadLimit(prometheus_host="prometheus.test", prometheus_port=9090)
AUTH = peer.Auth(issuer="https://issuer.test", jwks_uri="https://issuer.test/jwks", audiences=("sonic",), host="h")


def default(**arguments: Any) -> dict[str, Any]:
    return peer.bootstrap(host="supersonic-triton", **arguments)


def everything() -> dict[str, Any]:
    return default(connection_limit=peer.ConnectionLimit(), load_limit=LOAD_LIMIT, auth=AUTH)


def listener(config: dict[str, Any]) -> dict[str, Any]:
    (only,) = config["static_resources"]["listeners"]
    return dict(only)


def manager(config: dict[str, Any]) -> dict[str, Any]:
    return dict(listener(config)["filter_chains"][0]["filters"][0]["typed_config"])


def filters(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry["typed_config"] for entry in manager(config)["http_filters"]}


def route(config: dict[str, Any]) -> dict[str, Any]:
    (only,) = manager(config)["route_config"]["virtual_hosts"][0]["routes"]
    return dict(only)


def cluster(config: dict[str, Any], name: str = "triton_grpc_service") -> dict[str, Any]:
    return next(entry for entry in config["static_resources"]["clusters"] if entry["name"] == name)


def lua() -> str:
    return str(filters(everything())["envoy.filters.http.lua"]["default_source_code"]["inline_string"])


VALUES_OF_A_SITE = peer.Values(
    name="supersonic",
    namespace="physics",
    triton_image="triton",
    envoy_image="envoy",
    servers=3,
    models=Path("/models"),
    triton_limits={"cpu": "1", "memory": "2G"},
    envoy_limits={"cpu": "1", "memory": "1G"},
    requested_cpu="20m",
    node_port=30802,
)


def spec(kind: str, name: str) -> dict[str, Any]:
    found = [m for m in peer.objects(VALUES_OF_A_SITE) if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return dict(found[0]["spec"])


def pod(name: str) -> dict[str, Any]:
    return dict(spec("Deployment", name)["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return dict(only)


def scaling() -> dict[str, Any]:
    return dict(peer.scaled_object(VALUES_OF_A_SITE, servers_min=1, servers_max=2)["spec"])


def trigger() -> dict[str, Any]:
    (only,) = scaling()["triggers"]
    return dict(only)


def prometheus() -> dict[str, Any]:
    objects = peer.prometheus_objects(VALUES_OF_A_SITE, image="prometheus")
    (config,) = [each["data"]["prometheus.yml"] for each in objects if each["kind"] == "ConfigMap"]
    return dict(json.loads(config))


Fact = tuple[str, str, Callable[[], bool]]

FACTS: list[Fact] = [
    ("servers come from STRICT_DNS", CONFIGMAPS, lambda: cluster(default())["type"] == "STRICT_DNS"),
    (
        "DNS is asked every 5 s, Envoy's default, whatever the TTL",
        CONFIGMAPS,
        lambda: not {"dns_refresh_rate", "respect_dns_ttl"} & cluster(default()).keys(),
    ),
    ("LEAST_REQUEST is the default", VALUES, lambda: cluster(default())["lb_policy"] == "LEAST_REQUEST"),
    (
        "ROUND_ROBIN can be chosen, as Purdue does",
        VALUES,
        lambda: cluster(default(policy="ROUND_ROBIN"))["lb_policy"] == "ROUND_ROBIN",
    ),
    ("no health checks", CONFIGMAPS, lambda: "health_checks" not in cluster(default())),
    ("no outlier detection", CONFIGMAPS, lambda: "outlier_detection" not in cluster(default())),
    (
        "Envoy's default circuit breakers: 1,024 requests and connections, 3 retries",
        CONFIGMAPS,
        lambda: "circuit_breakers" not in cluster(default()),
    ),
    ("no HTTP/2 pings to servers", CONFIGMAPS, lambda: cluster(default())["http2_protocol_options"] == {}),
    ("a connection may take 0.25 s", CONFIGMAPS, lambda: cluster(default())["connect_timeout"] == "0.25s"),
    ("one route for every method", CONFIGMAPS, lambda: route(default())["match"] == {"prefix": "/"}),
    ("no retries", CONFIGMAPS, lambda: "retry_policy" not in route(default())["route"]),
    ("no route time-out", VALUES, lambda: route(default())["route"]["timeout"] == "0s"),
    (
        "streams end after 5 idle minutes, Envoy's default",
        CONFIGMAPS,
        lambda: "stream_idle_timeout" not in manager(default()) and "idle_timeout" not in route(default())["route"],
    ),
    ("a random id for each request", CONFIGMAPS, lambda: manager(default())["generate_request_id"] is True),
    ("no access log", CONFIGMAPS, lambda: "access_log" not in manager(default())),
    ("HTTP/1 and HTTP/2", CONFIGMAPS, lambda: manager(default())["codec_type"] == "AUTO"),
    (
        "the admin interface on every address, port 9901",
        CONFIGMAPS,
        lambda: default()["admin"]["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 9901},  # noqa: S104
    ),
    ("no overload manager", CONFIGMAPS, lambda: "overload_manager" not in default()),
    (
        "all limits and tokens are off by default",
        VALUES,
        lambda: (
            list(filters(default())) == ["envoy.filters.http.router"] and "listener_filters" not in listener(default())
        ),
    ),
    (
        "the connection limiter takes a token per new connection: 5, and one more every 12 s",
        VALUES,
        lambda: (
            listener(everything())["listener_filters"][0]["typed_config"]["token_bucket"]
            == {"max_tokens": 5, "tokens_per_fill": 1, "fill_interval": "12s"}
        ),
    ),
    (
        "the limiter by load stands before the check of tokens",
        CONFIGMAPS,
        lambda: (
            list(filters(everything()))
            == ["envoy.filters.http.lua", "envoy.filters.http.JwtAuthentication", "envoy.filters.http.router"]
        ),
    ),
    (
        "Prometheus is a LOGICAL_DNS cluster in the request path, with 5 s to connect",
        CONFIGMAPS,
        lambda: (
            cluster(everything(), "prometheus_cluster")["type"] == "LOGICAL_DNS"
            and cluster(everything(), "prometheus_cluster")["connect_timeout"] == "5s"
        ),
    ),
    (
        "the limiter acts on RepositoryIndex alone",
        LUA,
        lambda: "RepositoryIndex" in lua() and "ModelInfer" not in lua(),
    ),
    ("Prometheus has 5 s to answer the limiter", LUA, lambda: "WAIT_MS = 5000" in lua()),
    ("the default threshold is 100, in milliseconds per execution", VALUES, lambda: "<= 100 then" in lua()),
    (
        "the metric is queue time over executions, in the last 30 s",
        "templates/_helpers/_scaling-metric.tpl",
        lambda: all(word in peer.DEFAULT_QUERY for word in ("queue_duration_us", "exec_count", "[30s]", "* 1000")),
    ),
    ("only values with a point are read, after a time with a point", LUA, lambda: '[%d+%.%d+,"([%d%.]+)"%]' in lua()),
    (
        "a refusal is status 1 in a header",
        LUA,
        lambda: ':headers():replace("grpc-status", "1")' in lua() and ':setBytes("")' in lua(),
    ),
    (
        "one issuer, with audiences, asked of every path",
        CONFIGMAPS,
        lambda: (
            filters(everything())["envoy.filters.http.JwtAuthentication"]["rules"]
            == [{"match": {"prefix": "/"}, "requires": {"provider_name": "provider_icecube"}}]
        ),
    ),
    (
        "keys are kept for 300 s and fetched in the request path",
        CONFIGMAPS,
        lambda: (
            filters(everything())["envoy.filters.http.JwtAuthentication"]["providers"]["provider_icecube"][
                "remote_jwks"
            ]["cache_duration"]
            == {"seconds": 300}
        ),
    ),
    (
        "the key server is not authenticated",
        CONFIGMAPS,
        lambda: cluster(everything(), "auth_cluster")["transport_socket"]["typed_config"].keys() == {"@type"},
    ),
    (
        "a server's preStop hook fails at once, for `sh -c` takes one word as its script",
        TRITON,
        lambda: (
            subprocess.run(shutdown.TRITON_PRE_STOP, stderr=subprocess.DEVNULL, timeout=5, check=False).returncode != 0
        ),
    ),
    ("a server has 60 s to end", TRITON, lambda: shutdown.TRITON_GRACE_SECONDS == 60),
    ("Triton has 60 s to finish", VALUES, lambda: shutdown.TRITON_EXIT_TIMEOUT_SECONDS == 60),
    ("an Envoy has no preStop hook", ENVOY, lambda: shutdown.ENVOY_PRE_STOP == ()),
    (
        "the pods of servers have that hook and that time",
        TRITON,
        lambda: (
            container("supersonic-triton")["lifecycle"]
            == {"preStop": {"exec": {"command": list(shutdown.TRITON_PRE_STOP)}}}
            and pod("supersonic-triton")["terminationGracePeriodSeconds"] == shutdown.TRITON_GRACE_SECONDS
        ),
    ),
    (
        "a server is started by a shell",
        VALUES,
        lambda: (
            container("supersonic-triton")["command"] == ["/bin/sh", "-c"]
            and "--exit-timeout-secs=60" in container("supersonic-triton")["args"][0]
        ),
    ),
    (
        "a server that starts is asked over HTTP every 10 s, at most 12 times",
        VALUES,
        lambda: (
            container("supersonic-triton")["startupProbe"]
            == {
                "httpGet": {"path": "/v2/health/ready", "port": "http"},
                "initialDelaySeconds": 0,
                "periodSeconds": 10,
                "failureThreshold": 12,
            }
        ),
    ),
    (
        "readiness is a command, asked for every 10 s from 10 s on, and lost after 10 failures",
        VALUES,
        lambda: (
            {key: value for key, value in container("supersonic-triton")["readinessProbe"].items() if key != "exec"}
            == {
                "initialDelaySeconds": 10,
                "periodSeconds": 10,
                "timeoutSeconds": 5,
                "successThreshold": 1,
                "failureThreshold": 10,
            }
        ),
    ),
    (
        "readiness looks for the file that the hook was to write",
        VALUES,
        lambda: "[ ! -f /tmp/shutdown ]" in container("supersonic-triton")["readinessProbe"]["exec"]["command"][-1],
    ),
    ("a server that hangs is never restarted", TRITON, lambda: "livenessProbe" not in container("supersonic-triton")),
    (
        "a rollout is Kubernetes' own: a quarter more, a quarter fewer, and no wait for a server to prove itself",
        TRITON,
        lambda: not {"strategy", "minReadySeconds"} & spec("Deployment", "supersonic-triton").keys(),
    ),
    (
        "the servers' Service is headless, with HTTP, gRPC and metrics",
        "templates/triton/service.yaml",
        lambda: (
            spec("Service", "supersonic-triton")["clusterIP"] == "None"
            and [port["port"] for port in spec("Service", "supersonic-triton")["ports"]] == [8000, 8001, 8002]
        ),
    ),
    ("there is one Envoy", VALUES, lambda: spec("Deployment", "supersonic")["replicas"] == 1),
    (
        "an Envoy has no probe and no hook, and Kubernetes' 30 s to end",
        ENVOY,
        lambda: (
            not {"readinessProbe", "startupProbe", "livenessProbe", "lifecycle"} & container("supersonic").keys()
            and "terminationGracePeriodSeconds" not in pod("supersonic")
        ),
    ),
    (
        "no pod notices that the configuration changed",
        ENVOY,
        lambda: "annotations" not in spec("Deployment", "supersonic")["template"]["metadata"],
    ),
    (
        "the admin interface is on Envoy's Service",
        VALUES,
        lambda: [port["port"] for port in spec("Service", "supersonic")["ports"]] == [8001, 9901],
    ),
    (
        "the ScaledObject has the release's name, and scales its servers",
        SCALED_OBJECT,
        lambda: (
            peer.scaled_object(VALUES_OF_A_SITE, servers_min=1, servers_max=2)["metadata"]["name"]
            == "supersonic-keda-so"
            and scaling()["scaleTargetRef"] == {"name": "supersonic-triton", "kind": "Deployment"}
        ),
    ),
    (
        "the metric is compared as it is, with 100 ms",
        SCALED_OBJECT,
        lambda: (
            trigger()["metricType"] == "Value"
            and trigger()["metadata"]["threshold"] == "100"
            and trigger()["metadata"]["query"] == peer.DEFAULT_QUERY
        ),
    ),
    (
        "a missing metric is 0, KEDA's default, and there is no fallback",
        SCALED_OBJECT,
        lambda: "ignoreNullValues" not in trigger()["metadata"] and "fallback" not in scaling(),
    ),
    (
        "one server is added in 60 s, after 60 s, and removed in 120 s, after 600 s",
        VALUES,
        lambda: (
            scaling()["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
            == {
                "scaleUp": {
                    "stabilizationWindowSeconds": 60,
                    "policies": [{"periodSeconds": 60, "type": "Pods", "value": 1}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 600,
                    "policies": [{"periodSeconds": 120, "type": "Pods", "value": 1}],
                },
            }
        ),
    ),
    (
        "KEDA asks the release's own Prometheus",
        "templates/_helpers/_prometheus.tpl",
        lambda: (
            trigger()["metadata"]["serverAddress"]
            == "http://supersonic-prometheus-server.physics.svc.cluster.local:9090"
        ),
    ),
    (
        "Prometheus scrapes every 5 s",
        VALUES,
        lambda: prometheus()["global"] == {"scrape_interval": "5s", "evaluation_interval": "5s"},
    ),
    (
        "the series of servers have the release's label, from their pods",
        "templates/monitoring/prometheus-configmap.yaml",
        lambda: (
            {
                "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"],
                "target_label": "release",
            }
            in prometheus()["scrape_configs"][0]["relabel_configs"]
        ),
    ),
]


@pytest.mark.parametrize(("fact", "source", "holds"), FACTS, ids=[fact[0] for fact in FACTS])
def test_the_peer_reproduces(fact: str, source: str, holds: Callable[[], bool]) -> None:
    assert holds(), f"{fact} ({source})"
