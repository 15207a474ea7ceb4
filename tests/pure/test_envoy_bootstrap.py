"""Envoy's configuration as a function of pools, traffic and times."""

from collections.abc import Iterator
from typing import Any

from components.envoy.bootstrap import bootstrap
from components.envoy.memory import connections_max, requests_max
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.experiment import Traffic
from stacks.schema.site import Proxy
from tests.support.configs import stack_config
from tests.support.proxy_args import proxy_args
from tests.support.server_pools import a_pool

POOLS = (
    a_pool(name="a10", host="sonic-cms-triton-a10.sonic-cms.svc.cluster.local"),
    a_pool(name="slurm", host="sonic-cms-triton-slurm.sonic-cms.svc.cluster.local", priority=1),
)


def made(*, pools: tuple[ServerPool, ...] = POOLS, proxy: Proxy | None = None, **traffic: int) -> dict[str, Any]:
    declared = Traffic(**traffic)
    changes = {"pools": pools, "proxy": proxy or Proxy(), "traffic": declared, "timing": Timing.of(declared)}
    return bootstrap(proxy_args(stack_config(), **changes))


def servers(config: dict[str, Any]) -> Any:
    return config["static_resources"]["clusters"][0]


def routes(config: dict[str, Any]) -> Any:
    listener = config["static_resources"]["listeners"][0]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]


def routed(config: dict[str, Any]) -> list[Any]:
    """The routes that lead to the servers."""
    return [route for route in routes(config) if "route" in route]


def infer(config: dict[str, Any]) -> Any:
    return next(route for route in routed(config) if route["match"].get("path", "").endswith("/ModelInfer"))


def addresses(config: Any) -> Iterator[tuple[str, int]]:
    if isinstance(config, dict):
        if "port_value" in config:
            yield config["address"], config["port_value"]
        for value in config.values():
            yield from addresses(value)
    if isinstance(config, list):
        for item in config:
            yield from addresses(item)


def test_each_pool_is_a_locality_with_its_priority() -> None:
    localities = servers(made())["load_assignment"]["endpoints"]
    assert [(locality["locality"]["zone"], locality["priority"]) for locality in localities] == [
        ("a10", 0),
        ("slurm", 1),
    ]


def test_admin_listens_on_loopback_alone() -> None:
    assert made()["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert [port for address, port in addresses(made()) if address == "0.0.0.0"] == [8001, 9902]  # noqa: S104


def test_a_call_is_made_no_more_often_than_declared() -> None:
    assert {route["route"]["retry_policy"]["num_retries"] for route in routed(made(attempts_max=4))} == {3}


def test_what_every_server_would_refuse_is_not_repeated() -> None:
    for route in routed(made()):
        conditions = set(route["route"]["retry_policy"]["retry_on"].split(","))
        assert not conditions & {"resource-exhausted", "deadline-exceeded", "internal", "5xx", "gateway-error"}


def test_a_begun_stream_is_not_repeated() -> None:
    stream = next(route for route in routes(made()) if "ModelStreamInfer" in route["match"].get("path", ""))
    assert stream["route"]["retry_policy"]["retry_on"] == "connect-failure,refused-stream"


def test_the_largest_message_can_be_held_for_a_repetition() -> None:
    route = infer(made(largest_message_mib=100))
    assert route["request_body_buffer_limit"] > 100 * 1024 * 1024


def test_the_longest_wait_fits_into_every_limit_on_time() -> None:
    config = made(longest_request_seconds=3000)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    route = infer(config)["route"]
    limits = [manager["stream_idle_timeout"], *route["max_stream_duration"].values()]
    assert route["timeout"] == "0s"
    assert all(float(limit.removesuffix("s")) > 3000 for limit in limits)


def test_limits_follow_the_memory() -> None:
    small, large = Proxy(memory_mib=512), Proxy(memory_mib=4096)
    assert servers(made(proxy=small))["circuit_breakers"]["thresholds"][0]["max_requests"] == requests_max(small)
    assert requests_max(large) > 10_000 > requests_max(small)
    assert connections_max(large) > 10_000 > connections_max(small)
