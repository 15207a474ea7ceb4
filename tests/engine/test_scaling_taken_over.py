"""The number of servers passes from the stack's file to KEDA, and back."""

from collections.abc import Iterator

import pytest

from tests.support.dev_cluster import Cluster
from tests.support.dev_stack import eventually
from tests.support.second_stack import SecondStack, deployed

pytestmark = pytest.mark.engine

SCALED = {"scaling": {"servers_min": 2, "servers_max": 3}}


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondStack]:
    """A stack with a fixed number of servers, one."""
    with deployed(tmp_path_factory.mktemp("program"), cluster.kubectl, "scaling") as stack:
        yield stack


def servers(stack: SecondStack) -> tuple[int, int]:
    """Return the number of servers that is asked for, and of those that are ready."""
    (found,) = stack.get("deployments", "--selector=app.kubernetes.io/component=triton")
    return found["spec"]["replicas"], found["status"].get("availableReplicas", 0)


def scalers(stack: SecondStack) -> list[str]:
    """Return the kinds of what sets the number of servers."""
    return sorted(each["kind"] for each in stack.get("scaledobjects,horizontalpodautoscalers"))


def test_keda_takes_the_number_over_and_gives_it_back(stack: SecondStack) -> None:
    assert (servers(stack), scalers(stack)) == ((1, 1), [])
    for again in (False, True):
        stack.configure(experiment=SCALED)
        stack.project.up()
        asked, ready = servers(stack)
        assert 2 <= ready == asked <= 3, "the update waits for the minimum"
        assert scalers(stack) == ["HorizontalPodAutoscaler", "ScaledObject"]
        if again:
            # KEDA has the busy servers once the rates of two minutes are known, and looks each 30 s.
            has_metric = "`why` tells that KEDA has its metric"
            eventually(lambda: ": Ready True" in stack.why().output, has_metric, timeout_seconds=300)

        stack.configure()
        stack.project.up()
        assert (servers(stack), scalers(stack)) == ((1, 1), [])
    stack.project.preview("--expect-no-changes")


def test_servers_come_back_when_the_minimum_rises_from_none(stack: SecondStack) -> None:
    none = {"servers_min": 0, "servers_max": 3, "scale_down_wait_seconds": 0}
    stack.configure(site={"keda": {"scale_to_zero": True}}, experiment={"scaling": none})
    stack.project.up()
    eventually(lambda: servers(stack) == (0, 0), "KEDA takes the last server away", timeout_seconds=300)
    stack.configure(experiment=SCALED)
    stack.project.up()
    assert servers(stack)[1] >= 2


def test_a_failed_step_to_a_fixed_number_leaves_no_pause_behind(stack: SecondStack) -> None:
    stack.configure(experiment=SCALED)
    stack.project.up()
    stack.configure(experiment={"server": {"extra_flags": ["--no-such-flag"]}})
    stack.project.up(fails=True)
    assert "it is paused, so the number of servers does not change" in stack.why().output

    stack.configure(experiment=SCALED)
    stack.project.up()

    eventually(lambda: scalers(stack) == ["HorizontalPodAutoscaler", "ScaledObject"], "KEDA scales again")
    assert "it is paused" not in stack.why().output
