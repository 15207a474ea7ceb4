"""Every time that Envoy and Triton must agree on, derived from what the clients' requests are like.

The order of a planned stop is always: leave the balancer, finish what is running, stop. How long each step takes
at most is arithmetic over a few facts of Kubernetes and DNS, and the arithmetic is here so that nobody repeats it.
"""

from dataclasses import dataclass

from stacks.schema.experiment import Traffic

ENDPOINTS_SECONDS = 4
"""From a pod's deletion until the EndpointSlice without it has reached DNS servers and kube-proxies. About 1 s on an
idle cluster; the API server, the controller and the watchers each batch their work."""

MARGIN_SECONDS = 5
"""Between the end of an orderly stop and the moment when the kubelet kills."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times, and thresholds, of one stack."""

    health_check_interval_seconds: int
    """Between two `grpc.health.v1` checks of a server."""
    health_check_timeout_seconds: int
    """How long a server may take to answer one."""
    unhealthy_threshold: int
    """Failed checks in a row after which a server gets no traffic."""
    healthy_threshold: int
    """Good checks in a row after which it does again."""
    keepalive_interval_ms: int
    """From the answer to one HTTP/2 ping of Envoy to a server until the next. Triton must be told to tolerate them:
    gRPC servers allow one in five minutes, and cut the connection with all its requests at the third that comes
    sooner (`--grpc-http2-max-ping-strikes=0`)."""
    keepalive_timeout_ms: int
    """How long a server may send nothing at all, an answer to the ping included, before its connection is given up."""
    client_keepalive_interval_seconds: int
    """Between two HTTP/2 pings from Envoy to a client."""
    client_keepalive_timeout_seconds: int
    """How long a client may take to answer a ping before its connection, and what it asked for, is given up."""
    connect_timeout_seconds: int
    """How long a connection to a server may take."""
    dns_refresh_seconds: int
    """Between two DNS queries for the servers of a pool."""
    dns_query_timeout_seconds: int
    """How long a DNS server may take to answer before it is asked again."""
    triton_pre_stop_seconds: int
    """How long a server that is to stop goes on as if nothing had happened, until every Envoy has forgotten it."""
    triton_exit_timeout_seconds: int
    """How long it may then take to finish what it has begun (`--exit-timeout-secs`)."""
    triton_grace_seconds: int
    """`terminationGracePeriodSeconds` of a server: both of these, and a margin."""
    envoy_leave_seconds: int
    """How long an Envoy that is to stop goes on, until no load balancer sends it new connections."""
    envoy_goaway_seconds: int
    """How long it then tells clients at their next answer to connect anew (`--drain-time-s`)."""
    envoy_drain_seconds: int
    """How long the drain may last: the requests that began until then, to their end."""
    envoy_grace_seconds: int
    """`terminationGracePeriodSeconds` of an Envoy: leaving, draining, and a margin."""
    route_timeout_seconds: int
    """Envoy's own limit on a whole answer. 0, none: the client's deadline rules."""
    request_duration_max_seconds: int
    """When a request is given up whose client set no deadline, or one far off, so that such clients cannot pile up.
    Above the longest time that a client is to wait."""
    stream_idle_timeout_seconds: int
    """When a stream without a byte in either direction is given up. A request that waits for its turn is such a stream
    (Envoy's default of 300 s would end it), so this is no shorter than the longest request."""

    @classmethod
    def of(cls, traffic: Traffic, *, dns_ttl_seconds: int) -> "Timing":
        """Derive every time from what the requests are like, and how old an answer of the cluster's DNS may be.

        The worst case counts: too short a wait loses requests, too long a one only lets a server work on for a while.
        """
        # Checks are cheap and the pods few: once a second. A check that takes 2 s on a server that is merely busy
        # must not be mistaken for an end, hence two in a row. A hang is noticed after 1 + 2 + 1 + 2 s at worst.
        interval, timeout, unhealthy = 1, 2, 2
        # The ping is answered by the transport, however busy the models are, so it may be much stricter: what waits on
        # a server that hangs is freed, and tried elsewhere, after 0.3 + 0.8 s at worst. Nor is a ping late that stands
        # behind a large tensor, in either direction: Envoy waits on with every frame that comes, and a server that
        # reads sends one for each window. TCP repeats a lost packet after 0.2 and 0.6 s, so two in a row fit in, and a
        # CPU limit stops a server's threads for less than 0.1 s at a time. An Envoy that was itself stopped reads what
        # has come before it looks at the clock. Three pings a second are nothing.
        keepalive_ms, keepalive_timeout_ms = 300, 800
        # Envoy asks DNS without regard to the TTL (it would wait for up to 30 s otherwise): then an answer is as old as
        # the caches on the way make it, and Envoy's own wait adds this. Per Envoy and pool it is one query a second.
        # One lost packet costs the query's time-out.
        dns_refresh, dns_query_timeout = 1, 1
        forgotten = ENDPOINTS_SECONDS + dns_ttl_seconds + dns_refresh + dns_query_timeout
        # Nothing but kube-proxy and the site's balancer stand before Envoy. Balancers that check health do so every few
        # seconds; 10 s covers two such checks.
        leave = ENDPOINTS_SECONDS + 6
        # A job that calls once in this time gets an answer, and the word to move with it. One that calls more seldom is
        # idle when Envoy goes, and connects anew at its next call. It costs nothing: where no connection is left,
        # Envoy goes at once, and its successor works since long.
        goaway = 120
        drain = goaway + traffic.longest_request_seconds
        longest = traffic.longest_request_seconds + MARGIN_SECONDS
        return cls(
            health_check_interval_seconds=interval,
            health_check_timeout_seconds=timeout,
            unhealthy_threshold=unhealthy,
            healthy_threshold=1,
            keepalive_interval_ms=keepalive_ms,
            keepalive_timeout_ms=keepalive_timeout_ms,
            # A batch node that vanished holds memory and a place in a queue until this is over: there is no hurry,
            # and a WAN with some loss must not end a long wait.
            client_keepalive_interval_seconds=30,
            client_keepalive_timeout_seconds=30,
            # Three transmissions of SYN (0, 1, 3 s) fit in; a server that does not answer these is tried elsewhere.
            connect_timeout_seconds=4,
            dns_refresh_seconds=dns_refresh,
            dns_query_timeout_seconds=dns_query_timeout,
            triton_pre_stop_seconds=forgotten,
            triton_exit_timeout_seconds=traffic.shutdown_seconds,
            triton_grace_seconds=forgotten + traffic.shutdown_seconds + MARGIN_SECONDS,
            envoy_leave_seconds=leave,
            envoy_goaway_seconds=goaway,
            envoy_drain_seconds=drain,
            envoy_grace_seconds=leave + drain + MARGIN_SECONDS,
            route_timeout_seconds=0,
            request_duration_max_seconds=longest,
            stream_idle_timeout_seconds=longest,
        )
