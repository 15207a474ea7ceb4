"""What of an object is kept in the state, and how it travels there."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devcluster.provider import state, tokens
from devcluster.provider.wire import UNKNOWN, Secret, contains, decode, encode, mark_secrets, reveal

SCALARS = st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text() | st.just(UNKNOWN)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | inner.map(Secret),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES))
def test_properties_survive_the_wire(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == properties


def test_whole_numbers_arrive_as_integers() -> None:
    arrived = decode(encode({"replicas": 3.0, "ratio": 0.5, "on": True}))

    assert arrived == {"replicas": 3, "ratio": 0.5, "on": True}
    assert isinstance(arrived["replicas"], int)


def test_secret_marks_can_be_taken_off_and_put_back() -> None:
    given_inputs = {"spec": {"token": Secret("x"), "plain": "y"}, "list": [1, Secret(2)]}

    plain = reveal(given_inputs)

    assert plain == {"spec": {"token": "x", "plain": "y"}, "list": [1, 2]}
    marked = mark_secrets({**plain, "extra": 1}, given_inputs)
    assert marked == {"spec": {"token": Secret("x"), "plain": "y"}, "list": Secret([1, 2]), "extra": 1}
    assert contains(marked, Secret)


def test_the_data_of_a_secret_is_always_secret() -> None:
    assert mark_secrets({"kind": "Secret", "data": {"a": "1"}}, {}) == {"kind": "Secret", "data": Secret({"a": "1"})}


def test_a_checkpoint_gives_back_what_went_in() -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    live = {**inputs, "metadata": {"uid": "1"}}

    kept = state.checkpoint(inputs, live, inputs, "v1", "pulumi-kubernetes-1a2b3c4d")

    assert state.parse_checkpoint(kept) == (inputs, live)
    assert state.field_manager(kept, inputs) == "pulumi-kubernetes-1a2b3c4d"
    assert state.initial_api_version(kept, {}) == "v1"


def test_a_field_manager_by_annotation_wins_over_the_states() -> None:
    annotated = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "mine"}}}

    assert state.field_manager({"__fieldManager": "kept"}, annotated) == "mine"
    assert state.field_manager({}, {}).startswith("pulumi-kubernetes-")


def test_extensions_of_openapi_schemas_have_underscores_in_properties() -> None:
    manifest = {"schema": [{"x-kubernetes-list-type": "map", "x-other": 1}]}
    properties = {"schema": [{"x_kubernetes_list_type": "map", "x-other": 1}]}

    assert state.to_properties(manifest) == properties
    assert state.to_manifest(properties) == manifest


def test_pruning_keeps_what_the_shape_states() -> None:
    live = {"a": 1, "b": {"c": 2, "d": 3}, "list": [{"x": 1, "y": 2}, {"x": 3}], "server": "adds"}
    shape = {"a": 0, "b": {"c": 0}, "list": [{"x": 0}], "lost": "value", "off": False}

    assert state.prune(live, shape) == {"a": 1, "b": {"c": 2}, "list": [{"x": 1}], "off": False}


def test_tokens_and_ids_name_kinds_and_objects() -> None:
    urn = "urn:pulumi:dev::sonic::sonic:index:SiteStack$kubernetes:core/v1:NodePatch::gpu::a"

    assert tokens.type_of_urn(urn) == "kubernetes:core/v1:NodePatch"
    assert tokens.name_of_urn(urn) == "gpu::a"
    assert tokens.is_patch("kubernetes:core/v1:NodePatch", "Node")
    assert not tokens.is_patch("kubernetes:example.org/v1:DispatchPatch", "DispatchPatch")
    assert tokens.parse_type_token("kubernetes:keda.sh/v1alpha1:ScaledObject") == tokens.ResourceType(
        "keda.sh/v1alpha1", "ScaledObject"
    )
    assert tokens.parse_type_token("kubernetes:core/v1:Node").api_version == "v1"
    assert tokens.parse_object_id("home/cm") == ("home", "cm")
    assert tokens.parse_object_id("node-a") == ("", "node-a")
    assert (tokens.object_id("home", "cm"), tokens.object_id("", "node-a")) == ("home/cm", "node-a")
