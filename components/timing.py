"""Times that Envoy and Triton must agree on, derived from the clients' requests.

The order of a planned stop is always: leave the balancer, finish the requests in execution, stop. The limit of each
step is arithmetic over a few facts of Kubernetes and DNS. docs/adr/2026-11-26-timing.md has the reasons and figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

from stacks.schema.drain import (
    DNS_QUERY_TIMEOUT_SECONDS,
    DNS_REFRESH_SECONDS,
    ENDPOINTS_SECONDS,
    MARGIN_SECONDS,
    job_drain_seconds,
    job_join_seconds,
    job_leave_seconds,
    pod_leave_seconds,
)
from stacks.schema.experiment import Traffic


@dataclass(frozen=True, kw_only=True)
class ServerTiming:
    """Times of one pool's servers: how Envoy checks them, and how they stop."""

    health_check_interval_seconds: int
    """From one `grpc.health.v1` check of a server to the next."""
    health_check_timeout_seconds: int
    """Time that a server may take to answer a check."""
    unhealthy_threshold: int
    """Failed checks in a row after which a server gets no traffic."""
    healthy_threshold: int
    """Good checks in a row after which it gets traffic again."""
    keepalive_interval_ms: int
    """From the answer to one HTTP/2 ping of Envoy to a server until the next ping. Triton must be told to tolerate
    them: gRPC servers allow one in five minutes, and cut the connection with all its requests at the third that comes
    sooner (`--grpc-http2-max-ping-strikes=0`)."""
    keepalive_timeout_ms: int
    """Time without any frame from a server, an answer to the ping included, after which its connection is given up."""
    join_seconds: int
    """Longest time from a ready server until every Envoy has it."""
    pre_stop_seconds: int
    """Time that a stopping server goes on serving, until every Envoy has dropped it."""
    exit_timeout_seconds: int
    """Time that it then gives the requests in execution (`--exit-timeout-secs`)."""
    grace_seconds: int
    """Longest stop of a server: both of these, and a margin. A pod's `terminationGracePeriodSeconds`, and of a job the
    time before its limit at which it begins to drain."""

    @classmethod
    def of(cls, traffic: Traffic, *, dns_ttl_seconds: int) -> Self:
        """Return the times of a server on a node of this cluster.

        Each is the worst case. Too short a wait loses requests; too long a wait only lets a server run on.

        Args:
            traffic: the clients' requests.
            dns_ttl_seconds: age that an answer of the cluster's DNS may have.
        """
        pre_stop = pod_leave_seconds(dns_ttl_seconds=dns_ttl_seconds)
        return cls(
            # A busy server may take 2 s to answer one check, hence two in a row. A hang is noticed within 6 s.
            health_check_interval_seconds=1,
            health_check_timeout_seconds=2,
            unhealthy_threshold=2,
            healthy_threshold=1,
            # The transport answers a ping however busy the models are, so a hang is noticed within 1.1 s.
            keepalive_interval_ms=300,
            keepalive_timeout_ms=800,
            join_seconds=pre_stop,  # the way through endpoints and DNS is the same
            pre_stop_seconds=pre_stop,
            exit_timeout_seconds=traffic.shutdown_seconds,
            grace_seconds=pre_stop + traffic.shutdown_seconds + MARGIN_SECONDS,
        )

    @classmethod
    def in_a_job(cls, traffic: Traffic, *, dns_ttl_seconds: int) -> Self:
        """Return the times of a server in a Slurm job, behind a tunnel.

        Pings and checks wait behind the largest messages in the buffers of the tunnel, and for its next session: they
        have seconds.
        """
        return replace(
            cls.of(traffic, dns_ttl_seconds=dns_ttl_seconds),
            health_check_timeout_seconds=5,
            keepalive_interval_ms=1000,
            keepalive_timeout_ms=3000,
            join_seconds=job_join_seconds(dns_ttl_seconds=dns_ttl_seconds),
            pre_stop_seconds=job_leave_seconds(dns_ttl_seconds=dns_ttl_seconds),
            grace_seconds=job_drain_seconds(dns_ttl_seconds=dns_ttl_seconds, shutdown_seconds=traffic.shutdown_seconds),
        )

    @classmethod
    def most_patient(cls, timings: Sequence[Self]) -> Self:
        """Return the longest of each time, for Envoy, which checks the servers of all pools alike."""
        return cls(**{field.name: max(getattr(timing, field.name) for timing in timings) for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of Envoy and its clients."""

    client_keepalive_interval_seconds: int
    """From one HTTP/2 ping of Envoy to a client to the next."""
    client_keepalive_timeout_seconds: int
    """Time that a client may take to answer a ping before its connection and its requests are given up."""
    connect_timeout_seconds: int
    """Time that a connection to a server may take."""
    dns_refresh_seconds: int
    """From one DNS query for the servers of a pool to the next."""
    dns_query_timeout_seconds: int
    """Time that a DNS server may take to answer before it is asked again."""
    envoy_leave_seconds: int
    """Time that a stopping Envoy goes on serving, until no load balancer sends it new connections."""
    envoy_goaway_seconds: int
    """Time during which its answers then tell clients to reconnect (`--drain-time-s`)."""
    envoy_drain_seconds: int
    """Longest drain: GOAWAY, and the requests that began until its end."""
    envoy_grace_seconds: int
    """`terminationGracePeriodSeconds` of an Envoy: leaving, draining, and a margin."""
    route_timeout_seconds: int
    """Envoy's own limit on a whole answer. 0, none: the client's deadline rules."""
    request_duration_max_seconds: int
    """Limit of a request whose client set no deadline, or one far off, so that such requests cannot pile up. It is
    longer than any client waits."""
    stream_idle_timeout_seconds: int
    """Limit of a stream without a byte in either direction. A request that waits in a queue is such a stream (Envoy's
    default of 300 s would end it), so this is no shorter than the longest request."""

    @classmethod
    def of(cls, traffic: Traffic) -> Self:
        """Return the times that the clients' requests ask for."""
        # Balancers before Envoy check health every few seconds: 6 s cover two checks.
        leave = ENDPOINTS_SECONDS + 6
        # A client that calls once in this time is told to reconnect. Without connections Envoy exits at once; its
        # replacement has been serving for a while.
        goaway = 120
        drain = goaway + traffic.longest_request_seconds
        return cls(
            # A batch node that vanished holds memory and a place in a queue until this is over: there is no hurry,
            # and a WAN with some loss must not end a long wait.
            client_keepalive_interval_seconds=30,
            client_keepalive_timeout_seconds=30,
            # Three transmissions of SYN (0, 1, 3 s) fit in; then another server is tried.
            connect_timeout_seconds=4,
            dns_refresh_seconds=DNS_REFRESH_SECONDS,
            dns_query_timeout_seconds=DNS_QUERY_TIMEOUT_SECONDS,
            envoy_leave_seconds=leave,
            envoy_goaway_seconds=goaway,
            envoy_drain_seconds=drain,
            envoy_grace_seconds=leave + drain + MARGIN_SECONDS,
            route_timeout_seconds=0,
            request_duration_max_seconds=traffic.wait_max_seconds,
            stream_idle_timeout_seconds=traffic.wait_max_seconds,
        )
