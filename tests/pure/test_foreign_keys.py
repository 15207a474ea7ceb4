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


def test_a_block_is_told_key_by_key() -> None:
    block: dict[str, Json] = {"replicas": 2, "resources": {"limits": {"cpu": 1}}, "unheard_of": 1}
    assert places("envoy", block) == {
        "envoy.replicas": ("site.proxy.replicas",),
        "envoy.resources": ("site.proxy.cpu_cores", "site.proxy.memory_mib"),
    }
