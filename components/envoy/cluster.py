"""The upstream cluster: every Triton server of every pool, who of them gets traffic, and how it is spoken to."""

from collections.abc import Sequence

from components.envoy.typed import Config, extension, mib, milliseconds, percent, seconds, socket_address, typed
from components.server_pool import ServerPool
from components.timing import ServerTiming, Timing

CLUSTER = "servers"
"""Name of the cluster, and value of the label `envoy_cluster_name` of its metrics."""

STREAM_WINDOW_BYTES = mib(4)
"""HTTP/2 window of one request or answer. A 1 MB tensor goes in one round trip; on the way across a continent (100 ms)
a stream still carries 40 MB/s. HTTP/2's own 64 KiB would be 0.6 MB/s there."""

CONNECTION_WINDOW_BYTES = mib(16)
"""HTTP/2 window of one connection: four streams at full window. It bounds what one slow peer can make Envoy hold."""

WRITE_BUFFER_BYTES = 64 * 1024
"""What Envoy holds of a connection to a server before it reads no more from clients for it. Envoy's default is 1 MiB,
by which time a tensor's beginning has left the CPU's cache before it is written: at 1 MB that costs a tenth of Envoy's
CPU time. The windows above are not touched by it, nor is what is held to be sent again."""


def cluster(pools: Sequence[ServerPool], timing: Timing, *, requests_max: int, memory_max: int) -> Config:
    """All pools as one cluster, so that load, health and retries are seen as a whole.

    Args:
        pools: the capacity pools, with priorities 0, 1, … without a gap.
        timing: times of connections and DNS.
        requests_max: how many requests may be in progress, unless the admission controller says fewer.
        memory_max: how many fit into Envoy's memory.
    """
    servers = ServerTiming.most_patient([pool.timing for pool in pools])
    return {
        "name": CLUSTER,
        "cluster_type": _dns(timing),
        "connect_timeout": seconds(timing.connect_timeout_seconds),
        "per_connection_buffer_limit_bytes": WRITE_BUFFER_BYTES,
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [_locality(pool) for pool in pools]},
        # Join the shortest queue, without slow start: docs/adr, "The shortest queue gets the request".
        "load_balancing_policy": {
            "policies": [
                {
                    "typed_extension_config": extension(
                        "least_request",
                        "extensions.load_balancing_policies.least_request.v3.LeastRequest",
                        selection_method="FULL_SCAN",
                    )
                }
            ]
        },
        "common_lb_config": {
            # Never "panic" and send requests to servers known to be unhealthy: they would wait where nobody works. With
            # no healthy server the client hears UNAVAILABLE at once, and may turn to another site or its own CPU.
            "healthy_panic_threshold": percent(0),
            # A server counts for or against its pool's health only once it has been checked.
            "ignore_new_hosts_until_first_hc": True,
            # Act on each change of health at once, not after a second: there are few servers.
            "update_merge_window": "0s",
        },
        "health_checks": [_health_check(servers)],
        # Envoy keeps a server that DNS no longer lists for as long as it answers health checks, unless told so: but one
        # that DNS no longer lists is about to stop.
        "ignore_health_on_host_removal": True,
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": {"thresholds": [_thresholds(requests_max, memory_max)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http2_protocol_options": _http2(servers)},
            )
        },
        "track_cluster_stats": {"per_endpoint_stats": True},
    }


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
        # With it, a TTL of 30 s would be a server that is gone for 30 s more.
        respect_dns_ttl=False,
        # One query on IPv4 and dual-stack clusters (`ALL` would list each dual-stack server twice), two on IPv6 ones.
        dns_lookup_family="V4_PREFERRED",
        typed_dns_resolver_config=dns_resolver(timing),
    )


def dns_resolver(timing: Timing) -> Config:
    """The pod's resolver, for full names."""
    return extension(
        "envoy.network.dns_resolver.cares",
        "extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        # The search list of a pod would ask three wrong ones before each.
        dns_resolver_options={"no_default_search_domain": True},
        query_timeout_seconds=timing.dns_query_timeout_seconds,
        # A socket that leads to a DNS pod that is gone is given up, not asked again.
        reinit_channel_on_timeout=True,
    )


def _health_check(timing: ServerTiming) -> Config:
    interval = seconds(timing.health_check_interval_seconds)
    return {
        # Triton answers SERVING when it is ready, whatever service is named.
        "grpc_health_check": {},
        "interval": interval,
        "timeout": seconds(timing.health_check_timeout_seconds),
        "unhealthy_threshold": timing.unhealthy_threshold,
        "healthy_threshold": timing.healthy_threshold,
        # Before the first request, too: by default a new server would be seen after a minute.
        "no_traffic_interval": interval,
    }


def _outlier_detection() -> Config:
    """Bridges the time until the health check notices: a server whose calls fail is left out until its next good check.

    Only UNAVAILABLE, resets and failed connections count ("gateway failures"). INTERNAL and the like do not, nor does
    a bad success rate: a client that sends nonsense would take the servers away from all others.
    """
    return {
        # One may be the call's own fault; it is made again in either case.
        "consecutive_gateway_failure": 2,
        "enforcing_consecutive_gateway_failure": 100,
        "consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        # As often as the health check, whose good answer ends an ejection: the time is for when none comes.
        "interval": "1s",
        "base_ejection_time": "10s",
        # Clients that ask for a model that is not there get UNAVAILABLE from every server: half of them must stay.
        "max_ejection_percent": 50,
    }


def _thresholds(requests_max: int, memory_max: int) -> Config:
    """Return the circuit breakers. `admission` declares how much the servers can take.

    Everything in progress may be in its second attempt, so there is no retry budget: docs/adr, "The shortest queue gets
    the request". The number of attempts bounds the repeated work.
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
            # By default up to 15 % are added to the interval.
            "interval_jitter": percent(0),
        },
    }
