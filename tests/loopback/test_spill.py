"""A full first pool: real Envoy, the real controller, two pools of stand-ins of known capacity."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from components.envoy.admission.controller.policy import spill_key
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_controller import Controller
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in import Busy
from tests.loopback.conftest import Envoys
from tests.support.admission import admission

FIRST, NEXT = "127.0.1.1", "127.0.1.2"


class Pools:
    """One Envoy with its controller before two pools of one server, each of which completes 100 requests a second."""

    def __init__(self, started: ExitStack, server_port: int, envoy: Envoys, tmp_path: Path) -> None:
        self.first, self.next = (
            started.enter_context(Busy(address, server_port, slots=2, work_seconds=0.02)) for address in (FIRST, NEXT)
        )
        args = replace(admission(), spill_ms=200.0, spill_in_flight_per_server=6)
        self.envoy: RealEnvoy = envoy((FIRST,), (NEXT,), admission=args)
        await_healthy(self.envoy, FIRST, NEXT)
        self.client = channel(self.envoy.target)
        self.controller = started.enter_context(Controller(args, self.envoy, tmp_path))
        eventually(lambda: spill_key() in self.envoy.admin("/runtime")[1], "the controller has set its keys")

    def load(self, per_second: int, *, seconds: float) -> tuple[Counter[str], float]:
        """Send requests at a rate; return the servers that answered, and the longest time of one."""
        begun, calls, ends = time.monotonic(), [], []
        for number in range(int(per_second * seconds)):
            time.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            start = time.monotonic()
            call = begin(self.client)
            call.add_done_callback(lambda _, start=start: ends.append(time.monotonic() - start))  # type: ignore[misc]
            calls.append(call)
        return Counter(outcome(call) for call in calls), max(ends)


@pytest.fixture
def pools(started: ExitStack, server_port: int, envoy: Envoys, tmp_path: Path) -> Pools:
    return Pools(started, server_port, envoy, tmp_path)


def test_a_load_that_the_first_pool_can_take_stays_there(pools: Pools) -> None:
    found, _ = pools.load(50, seconds=5)
    assert found == {FIRST: 250}


def test_the_surplus_of_a_full_pool_is_served_by_the_next_and_returns(pools: Pools) -> None:
    found, _ = pools.load(160, seconds=12)
    assert found.keys() == {FIRST, NEXT}
    assert found[NEXT] > 0.2 * found.total(), "100 of 160 a second fit into the first pool"
    pools.load(40, seconds=10)
    assert pools.load(40, seconds=3)[0] == {FIRST: 120}


def test_a_request_for_the_next_pool_is_tried_on_the_first_when_the_next_crashes(pools: Pools) -> None:
    """The runtime key is set by hand, as if the first pool were full."""
    pools.controller.process.terminate()
    pools.controller.process.wait(timeout=30)
    pools.envoy.admin(f"/runtime_modify?{spill_key()}=100", "POST")
    assert outcomes(pools.client, 20) == {NEXT: 20}
    pools.next.stop()
    assert outcomes(pools.client, 100) == {FIRST: 100}


def test_a_first_pool_without_a_healthy_server_is_replaced_at_once(pools: Pools) -> None:
    pools.first.stop()
    assert outcomes(pools.client, 100) == {NEXT: 100}
