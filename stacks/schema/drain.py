"""Times of a planned stop that rules on the configuration compare: docs/adr/2026-11-26-timing.md."""

ENDPOINTS_SECONDS = 4
"""From a pod's deletion until DNS servers and kube-proxies have the EndpointSlice without it; about 1 s when idle."""

DNS_REFRESH_SECONDS = 1
"""From one DNS query of Envoy for a pool's servers to the next. Envoy ignores the TTL, which would add up to 30 s."""

DNS_QUERY_TIMEOUT_SECONDS = 1
"""Time that a DNS server may take to answer: one lost packet costs this."""

TUNNEL_PROBE_PERIOD_SECONDS = 5
"""From one readiness probe of a tunnel pod to the next, and the time that an answer may take."""

TUNNEL_PROBE_FAILURES = 3
"""Failed probes in a row after which a tunnel pod is not ready."""

MARGIN_SECONDS = 5
"""From the end of an orderly stop until the server is killed."""


def pod_leave_seconds(*, dns_ttl_seconds: int) -> int:
    """Return the longest time from a pod's deletion until no Envoy has its address."""
    return ENDPOINTS_SECONDS + dns_ttl_seconds + DNS_REFRESH_SECONDS + DNS_QUERY_TIMEOUT_SECONDS


def job_leave_seconds(*, dns_ttl_seconds: int) -> int:
    """Return the longest time from the end of a job's HTTP tunnel until no Envoy has the address of its tunnel pod."""
    unready = TUNNEL_PROBE_PERIOD_SECONDS * TUNNEL_PROBE_FAILURES
    return unready + pod_leave_seconds(dns_ttl_seconds=dns_ttl_seconds)


def job_join_seconds(*, dns_ttl_seconds: int) -> int:
    """Return the longest time from a ready server in a job until every Envoy has the address of its tunnel pod."""
    return TUNNEL_PROBE_PERIOD_SECONDS + pod_leave_seconds(dns_ttl_seconds=dns_ttl_seconds)


def job_drain_seconds(*, dns_ttl_seconds: int, shutdown_seconds: int) -> int:
    """Return the longest drain of a server in a job: leave the balancer, finish the requests, stop."""
    return job_leave_seconds(dns_ttl_seconds=dns_ttl_seconds) + shutdown_seconds + MARGIN_SECONDS
