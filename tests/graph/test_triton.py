"""What a pool of Triton servers registers."""

import pytest

from components.labels import Labels
from components.model_repository import MountedRepository
from components.network import pods
from components.timing import Timing
from components.triton import TritonPool, TritonPoolArgs
from stacks.schema import StackConfig
from tests.support.configs import stack_config
from tests.support.fields import unknown_fields
from tests.support.recorder import Recorder

FIXED = {"servers_min": 2, "servers_max": 2}


def pool_args(config: StackConfig) -> TritonPoolArgs:
    return TritonPoolArgs(
        instance=config.name,
        namespace=config.namespace,
        share=config.pool_shares[0],
        server=config.experiment.server,
        models=config.experiment.models,
        repository=MountedRepository(repository_urls=("/models",)),
        timing=Timing.of(config.experiment.traffic),
        proxy_selector=Labels(instance=config.name, component="envoy").selector,
        prometheus_peer=pods(Labels(instance=config.name, component="prometheus").selector),
    )


@pytest.mark.parametrize("scaling", [{"servers_min": 2, "servers_max": 4}, FIXED])
def test_every_field_is_known(recorder: Recorder, scaling: dict[str, int]) -> None:
    recorder.run(lambda: TritonPool("triton-gpu", pool_args(stack_config(experiment={"scaling": scaling}))))
    assert {r.name: unknown_fields(r) for r in recorder.resources_by_urn.values() if r.custom and unknown_fields(r)} == {}
