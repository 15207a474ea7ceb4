"""The upstream clusters: all Triton servers of all pools, with balancing, health checks, limits and HTTP/2."""

from collections.abc import Sequence
from dataclasses import replace

from components.envoy.typed import Config, extension, mib, milliseconds, percent, seconds, socket_address, typed
from components.server_pool import ServerPool
from components.timing import ServerTiming, Timing

CLUSTER, NEXT_CLUSTER = "servers", "servers_next"
"""Names of the clusters, and values of the label `envoy_cluster_name` of their metrics."""

STREAM_WINDOW_BYTES = mib(4)
"""HTTP/2 window of one request or answer: a 1 MB tensor takes one round trip, and a stream across a continent keeps its
throughput. docs/adr, "HTTP/2 windows are larger than a tensor"."""

CONNECTION_WINDOW_BYTES = mib(16)
"""HTTP/2 window of one connection: four streams at full window. It bounds the memory that one slow peer can take."""

WRITE_BUFFER_BYTES = 64 * 1024
"""Unsent bytes per connection to a server at which Envoy stops reading from clients for it. A small buffer saves CPU
time: docs/adr, "HTTP/2 windows are larger than a tensor". It bounds neither the windows above nor the bodies held for
retries."""

_OUTSIDE_REFRESH_SECONDS = 5
"""Time from a failed look-up of a server outside the stack to the next one."""

_CHOICES = 8
"""Servers drawn, with repetition, for one attempt."""


def clusters(
    pools: Sequence[ServerPool],
    timing: Timing,
    *,
    requests_max: int,
    memory_max: int,
    filters: Sequence[Config] = (),
) -> list[Config]:
    """Return all pools as one cluster, so that balancing, health and retries cover them together.

    With several pools there is a second one, of the same servers, whose first choice is the second pool: it gets the
    requests for which the first pool is too full. docs/adr, "Pools spill by load".

    Args:
        pools: the capacity pools, with priorities 0, 1, … without a gap.
        timing: times of connections and DNS.
        requests_max: limit on requests in progress; the admission controller may set a lower one.
        memory_max: requests that fit into Envoy's memory.
        filters: HTTP filters of each attempt.
    """
    last = max(pool.priority for pool in pools)
    following = [replace(pool, priority=pool.priority - 1 if pool.priority else last) for pool in pools]
    named = {CLUSTER: pools, **({NEXT_CLUSTER: following} if last else {})}
    thresholds = _thresholds(requests_max, memory_max)
    return [_cluster(name, ordered, timing, thresholds, filters) for name, ordered in named.items()]


def _cluster(
    name: str, pools: Sequence[ServerPool], timing: Timing, thresholds: Config, filters: Sequence[Config]
) -> Config:
    servers = ServerTiming.most_patient([pool.timing for pool in pools])
    return {
        "name": name,
        "cluster_type": _dns(timing),
        "connect_timeout": seconds(timing.connect_timeout_seconds),
        "per_connection_buffer_limit_bytes": WRITE_BUFFER_BYTES,
        "load_assignment": {"cluster_name": name, "endpoints": [_locality(pool) for pool in pools]},
        # Join the shortest queue of so many servers drawn at random, without slow start. Of all servers, Envoy would
        # draw a dead one, whose queue is the shortest, for a retry as well: docs/adr, "A request takes two servers at
        # most".
        "load_balancing_policy": {
            "policies": [
                {
                    "typed_extension_config": extension(
                        "least_request",
                        "extensions.load_balancing_policies.least_request.v3.LeastRequest",
                        selection_method="N_CHOICES",
                        choice_count=_CHOICES,
                    )
                }
            ]
        },
        "common_lb_config": {
            # No panic mode, in which requests wait on unhealthy servers: with no healthy server the client gets
            # UNAVAILABLE at once.
            "healthy_panic_threshold": percent(0),
            # A server counts in its pool's health only after its first check.
            "ignore_new_hosts_until_first_hc": True,
            # Apply each change of health at once, not once a second: there are few servers.
            "update_merge_window": "0s",
        },
        "health_checks": [_health_check(servers)],
        # By default Envoy keeps a server that DNS no longer lists while it answers health checks. Such a server is
        # about to stop.
        "ignore_health_on_host_removal": True,
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http2_protocol_options": _http2(servers)},
                **({"http_filters": [*filters, _sends()]} if filters else {}),
            )
        },
        "track_cluster_stats": {"per_endpoint_stats": True},
    }


def outside_cluster(name: str, host: str, port: int, timing: Timing) -> Config:
    """Return the cluster of one server outside the stack, in plain text: an issuer of tokens, a collector of traces."""
    refresh = seconds(_OUTSIDE_REFRESH_SECONDS)
    return {
        "name": name,
        "cluster_type": extension(
            "envoy.clusters.dns",
            "extensions.clusters.dns.v3.DnsCluster",
            dns_failure_refresh_rate={"base_interval": refresh, "max_interval": refresh},
            respect_dns_ttl=True,
            # Envoy tries all addresses of the one endpoint in turn (RFC 8305).
            all_addresses_in_single_endpoint=True,
            dns_lookup_family="ALL",
            typed_dns_resolver_config=dns_resolver(timing),
        ),
        "connect_timeout": seconds(timing.connect_timeout_seconds),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(host, port)}}]}],
        },
    }


def _sends() -> Config:
    """Return the last filter of an attempt, which sends it. Envoy adds it by itself where there is no other."""
    return extension("envoy.filters.http.upstream_codec", "extensions.filters.http.upstream_codec.v3.UpstreamCodec")


def _locality(pool: ServerPool) -> Config:
    return {
        "locality": {"zone": pool.name},
        "priority": pool.priority,
        "lb_endpoints": [{"endpoint": {"address": socket_address(pool.host, pool.port)}}],
    }


def _dns(timing: Timing) -> Config:
    refresh = seconds(timing.dns_refresh_seconds)
    return extension(
        "envoy.clusters.dns",
        "extensions.clusters.dns.v3.DnsCluster",
        dns_refresh_rate=refresh,
        dns_failure_refresh_rate={"base_interval": refresh, "max_interval": refresh},
        # A TTL of 30 s would keep a stopped server listed for 30 s more.
        respect_dns_ttl=False,
        # `ALL` would list each dual-stack server twice. On IPv6 clusters this costs a second query.
        dns_lookup_family="V4_PREFERRED",
        typed_dns_resolver_config=dns_resolver(timing),
    )


def dns_resolver(timing: Timing) -> Config:
    """Return the pod's own resolver, which takes every name as fully qualified."""
    return extension(
        "envoy.network.dns_resolver.cares",
        "extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        # The search list of a pod would add three failing queries to each.
        dns_resolver_options={"no_default_search_domain": True},
        query_timeout_seconds=timing.dns_query_timeout_seconds,
        # A socket to a deleted DNS pod never answers: open a new one.
        reinit_channel_on_timeout=True,
    )


def _health_check(timing: ServerTiming) -> Config:
    interval = seconds(timing.health_check_interval_seconds)
    return {
        # Triton answers for the whole server, whatever service is named: SERVING when it is ready.
        "grpc_health_check": {},
        "interval": interval,
        "timeout": seconds(timing.health_check_timeout_seconds),
        "unhealthy_threshold": timing.unhealthy_threshold,
        "healthy_threshold": timing.healthy_threshold,
        # The interval before a server's first request. Envoy's default is a minute.
        "no_traffic_interval": interval,
    }


def _outlier_detection() -> Config:
    """Return the ejection of servers whose connections break, which acts before the next health check does.

    No answer counts, whatever its status. Triton answers UNAVAILABLE when a queue is full or a model is missing, and
    INTERNAL to a bad request: one client would eject the servers of all others.
    """
    return {
        # Resets, failed connections and timeouts apart from answers.
        "split_external_local_origin_errors": True,
        # The request itself may cause one failure.
        "consecutive_local_origin_failure": 2,
        "enforcing_local_origin_success_rate": 0,
        "consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        # A successful health check ends an ejection. The time counts only while none succeeds.
        "interval": "1s",
        "base_ejection_time": "10s",
        # When more servers fail, the fault is rather between them and Envoy: the health checks decide.
        "max_ejection_percent": 50,
    }


def _thresholds(requests_max: int, memory_max: int) -> Config:
    """Return the circuit breakers.

    There is no retry budget: all requests in progress may be retries at the same time. docs/adr, "The shortest queue
    gets the request".
    """
    return {
        "max_connections": memory_max,
        "max_pending_requests": memory_max,
        "max_requests": requests_max,
        "max_retries": memory_max,
        "track_remaining": True,
    }


def _http2(timing: ServerTiming) -> Config:
    return {
        "initial_stream_window_size": STREAM_WINDOW_BYTES,
        "initial_connection_window_size": CONNECTION_WINDOW_BYTES,
        "connection_keepalive": {
            "interval": milliseconds(timing.keepalive_interval_ms),
            "timeout": milliseconds(timing.keepalive_timeout_ms),
            # Envoy's default adds up to 15 % to the interval.
            "interval_jitter": percent(0),
        },
    }
