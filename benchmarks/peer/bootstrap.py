"""SuperSONIC 0.3.1's Envoy bootstrap as a pure function, rebuilt from the chart's facts (commit e578801, 2026-05-25).

Nothing is added and nothing repaired. Left out is what cannot change a figure here: tracing, off by default, and the
substitution of `${POD_NAME}`, which only tracing uses.
"""

from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.peer.limiter import LoadLimit, lua_source

Config = dict[str, Any]
Policy = Literal["LEAST_REQUEST", "ROUND_ROBIN"]
"""The first is the chart's default, the second is Purdue's setting."""

GRPC_PORT = 8001
ADMIN_PORT = 9901
CLUSTER = "triton_grpc_service"

_ANY = "0.0.0.0"  # noqa: S104  theirs, the admin interface included
_EXTENSIONS = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, kw_only=True)
class ConnectionLimit:
    """`envoy.rate_limiter.listener_level`, off by default: a token bucket that takes one token per new connection."""

    max_tokens: int = 5
    tokens_per_fill: int = 1
    fill_interval: str = "12s"


@dataclass(frozen=True, kw_only=True)
class Auth:
    """`envoy.auth`, off by default: one issuer of JSON Web Tokens."""

    issuer: str
    jwks_uri: str
    audiences: tuple[str, ...]
    host: str
    """`auth.url`: host of the keys."""
    port: int = 443


def bootstrap(
    *,
    host: str,
    port: int = 8001,
    policy: Policy = "LEAST_REQUEST",
    route_timeout: str = "0s",
    connection_limit: ConnectionLimit | None = None,
    load_limit: LoadLimit | None = None,
    auth: Auth | None = None,
) -> Config:
    """The bootstrap that the chart renders; by default from its default values.

    Args:
        host: DNS name of the headless Triton Service.
        port: gRPC port of the servers.
        policy: `envoy.loadBalancerPolicy`.
        route_timeout: `envoy.grpc_route_timeout`; 0s is none.
        connection_limit: the limiter of connections, if it is on.
        load_limit: the limiter by load, if it is on.
        auth: tokens, if they are asked for.
    """
    clusters = [
        *([_prometheus_cluster(load_limit)] if load_limit else []),
        *([_auth_cluster(auth)] if auth else []),
        _triton_cluster(host, port, policy),
    ]
    return {
        "admin": {"access_log_path": "/tmp/admin_access.log", "address": _address(_ANY, ADMIN_PORT)},  # noqa: S108
        "static_resources": {
            "listeners": [_listener(route_timeout, connection_limit, load_limit, auth)],
            "clusters": clusters,
        },
    }


def _listener(
    route_timeout: str, connection_limit: ConnectionLimit | None, load_limit: LoadLimit | None, auth: Auth | None
) -> Config:
    route = {"match": {"prefix": "/"}, "route": {"cluster": CLUSTER, "timeout": route_timeout}}
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "generate_request_id": True,
            "stat_prefix": "ingress_grpc",
            "codec_type": "AUTO",
            "http2_protocol_options": {},
            "route_config": {
                "name": "local_route_grpc",
                "virtual_hosts": [{"name": "backend_grpc", "domains": ["*"], "routes": [route]}],
            },
            "http_filters": [
                *([_lua(load_limit)] if load_limit else []),  # before the tokens are looked at
                *([_jwt(auth)] if auth else []),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
                },
            ],
        },
    }
    limited = {"listener_filters": [_bucket(connection_limit)]} if connection_limit else {}
    return {
        "name": "listener_grpc",
        "address": _address(_ANY, GRPC_PORT),
        **limited,
        "filter_chains": [{"filters": [manager]}],
    }


def _triton_cluster(host: str, port: int, policy: Policy) -> Config:
    """No health checks, no outlier detection, no circuit breakers: Envoy's defaults; DNS is asked every 5 s."""
    return {
        "name": CLUSTER,
        "connect_timeout": "0.25s",
        "type": "STRICT_DNS",
        "lb_policy": policy,
        "http2_protocol_options": {},
        "load_assignment": _assignment(CLUSTER, host, port),
    }


def _prometheus_cluster(limit: LoadLimit) -> Config:
    name = "prometheus_cluster"
    return {
        "name": name,
        "connect_timeout": "5s",
        "type": "LOGICAL_DNS",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": _assignment(name, limit.prometheus_host, limit.prometheus_port),
    }


def _auth_cluster(auth: Auth) -> Config:
    """TLS without a trusted CA, a name to match or an SNI: any server at the address can provide the keys."""
    name = "auth_cluster"
    tls = {"@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext"}
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "500s",
        "load_assignment": _assignment(name, auth.host, auth.port),
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }


def _bucket(limit: ConnectionLimit) -> Config:
    return {
        "name": "envoy.filters.listener.local_ratelimit",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.listener.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "local_rate_limiter",
            "token_bucket": {
                "max_tokens": limit.max_tokens,
                "tokens_per_fill": limit.tokens_per_fill,
                "fill_interval": limit.fill_interval,
            },
        },
    }


def _lua(limit: LoadLimit) -> Config:
    return {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": lua_source(limit)},
        },
    }


def _jwt(auth: Auth) -> Config:
    provider = "provider_icecube"
    keys = {
        "http_uri": {"uri": auth.jwks_uri, "cluster": "auth_cluster", "timeout": "100s"},
        "cache_duration": {"seconds": 300},
    }
    return {
        "name": "envoy.filters.http.JwtAuthentication",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {
                provider: {"issuer": auth.issuer, "audiences": list(auth.audiences), "remote_jwks": keys},
            },
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": provider}}],
        },
    }


def _assignment(cluster: str, host: str, port: int) -> Config:
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(host, port)}}]}],
    }


def _address(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}
