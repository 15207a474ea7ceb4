"""Keys of SuperSONIC and Kubernetes lead to places that exist."""

import pytest

from stacks.foreign_keys import FOREIGN_KEYS, places
from stacks.json_schema import schema_of
from stacks.origin import Json
from stacks.schema import Experiment, Site

HERE = {
    f"{part}.{each.path}"
    for part, model in (("site", Site), ("experiment", Experiment))
    for each in schema_of(model).properties()
} | {"sonic:instance"}


@pytest.mark.parametrize("key", FOREIGN_KEYS)
def test_every_place_exists(key: str) -> None:
    assert set(FOREIGN_KEYS[key]) <= HERE


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("scaling.cooldown_period", "experiment.scaling.scale_down_wait_seconds"),
        ("server.args", "experiment.server.flags"),
        ("pools.slurm.WALLTIME", "site.pools[].slurm.time_limit_minutes"),
        ("proxy.grpc_route_timeout", "experiment.traffic.longest_request_seconds"),
    ],
)
def test_a_key_is_known_by_other_letters_and_below_our_group(key: str, place: str) -> None:
    assert list(places(key, 1).values()) == [(place,)]


def test_a_word_of_several_things_is_told_all_and_a_general_one_nothing() -> None:
    ((both),) = places("scaling.stabilizationWindowSeconds", 30).values()
    assert set(both) == {"experiment.scaling.scale_up_wait_seconds", "experiment.scaling.scale_down_wait_seconds"}
    assert not places("storage.cvmfs.server", "nfs.example.org")


def test_a_block_is_told_key_by_key() -> None:
    block: dict[str, Json] = {"replicas": 2, "resources": {"limits": {"cpu": 1}}, "unheard_of": 1}
    assert places("envoy", block) == {
        "envoy.replicas": ("site.proxy.replicas",),
        "envoy.resources": ("site.proxy.cpu_cores", "site.proxy.memory_mib"),
    }
