"""The record of a rollout: one ConfigMap after all Deployments, which changes when a pod template does."""

from typing import Any

from components.rollout import ClusterHooks
from stacks.schema import StackConfig
from tests.support.configs import stack_config
from tests.support.stacks import record


async def nothing(*_: object) -> None:
    """Wait for nothing."""


def record_of(config: StackConfig) -> dict[str, Any]:
    """Return the data of the record that a stack makes in a cluster."""
    recorder = record(config, ClusterHooks(await_pods=nothing, stop_autoscaler=nothing))
    (found,) = [each for each in recorder.manifests() if each["metadata"].get("name") == f"{config.name}-rollout"]
    data: dict[str, Any] = found["data"]
    return data


def test_the_record_names_every_deployment_of_the_stack() -> None:
    assert set(record_of(stack_config())) == {f"sonic-demo-{part}" for part in ("triton-gpu", "envoy", "prometheus")}


def test_a_changed_template_changes_its_own_line_alone() -> None:
    server = {"image": "example.org/triton:24.11", "cpu_cores": 2.0, "memory_gib": 4.0}
    before, after = record_of(stack_config()), record_of(stack_config(experiment={"server": server}))
    assert {name for name in before if before[name] != after[name]} == {"sonic-demo-triton-gpu"}


def test_a_changed_minimum_is_waited_for() -> None:
    before, after = record_of(stack_config()), record_of(stack_config(experiment={"scaling": {"servers_max": 4}}))
    assert {name for name in before if before[name] != after[name]} == {"sonic-demo-triton-gpu"}


def test_a_changed_maximum_is_not() -> None:
    scaling = {"servers_min": 2, "servers_max": 3}
    assert record_of(stack_config()) == record_of(stack_config(experiment={"scaling": scaling}))
