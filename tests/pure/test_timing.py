"""The times that Envoy and Triton must agree on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from components.timing import ServerTiming, Timing
from stacks.schema.experiment import Traffic

traffics = st.builds(
    Traffic,
    longest_request_seconds=st.integers(min_value=1, max_value=86_400),
    shutdown_seconds=st.integers(min_value=1, max_value=3_600),
)


@given(traffics, st.integers(min_value=1, max_value=300))
def test_a_server_is_forgotten_before_it_stops(traffic: Traffic, dns_ttl_seconds: int) -> None:
    timing = ServerTiming.of(traffic, dns_ttl_seconds=dns_ttl_seconds)
    assert timing.pre_stop_seconds > dns_ttl_seconds + Timing.of(traffic).dns_refresh_seconds


@given(traffics)
def test_nobody_is_killed_before_an_orderly_stop_is_over(traffic: Traffic) -> None:
    server, timing = ServerTiming.of(traffic, dns_ttl_seconds=30), Timing.of(traffic)
    assert server.grace_seconds > server.pre_stop_seconds + server.exit_timeout_seconds
    assert timing.envoy_grace_seconds > timing.envoy_leave_seconds + timing.envoy_drain_seconds


@given(traffics)
def test_a_server_may_take_the_declared_time_to_finish(traffic: Traffic) -> None:
    assert ServerTiming.of(traffic, dns_ttl_seconds=30).exit_timeout_seconds == traffic.shutdown_seconds


@given(traffics)
def test_the_longest_request_fits_into_every_limit_of_envoy(traffic: Traffic) -> None:
    timing = Timing.of(traffic)
    assert timing.route_timeout_seconds == 0
    assert timing.stream_idle_timeout_seconds > traffic.longest_request_seconds
    assert timing.request_duration_max_seconds > traffic.longest_request_seconds
    assert timing.envoy_drain_seconds >= timing.envoy_goaway_seconds + traffic.longest_request_seconds


@given(traffics)
def test_what_waits_on_a_server_that_hangs_is_tried_elsewhere_within_a_second_and_a_half(traffic: Traffic) -> None:
    timing = ServerTiming.of(traffic, dns_ttl_seconds=30)
    longest_wait_before_the_second_attempt_ms = 100
    noticed_ms = timing.keepalive_interval_ms + timing.keepalive_timeout_ms
    assert noticed_ms + longest_wait_before_the_second_attempt_ms < 1500


def test_envoy_is_as_patient_as_the_slowest_pool_asks() -> None:
    near = ServerTiming.of(Traffic(), dns_ttl_seconds=5)
    far = replace(near, keepalive_timeout_ms=3000, health_check_timeout_seconds=1)
    patient = ServerTiming.most_patient([near, far])
    assert patient == replace(near, keepalive_timeout_ms=3000)


@given(traffics)
def test_a_job_goes_on_serving_until_its_tunnel_pod_is_unready_and_left(traffic: Traffic) -> None:
    node = ServerTiming.of(traffic, dns_ttl_seconds=30)
    job = ServerTiming.in_a_job(traffic, dns_ttl_seconds=30)
    assert job.pre_stop_seconds > node.pre_stop_seconds
    assert job.grace_seconds > job.pre_stop_seconds + job.exit_timeout_seconds
