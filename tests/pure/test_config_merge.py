"""The override is RFC 7396 JSON Merge Patch, and every value of the result knows who said it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.merge import merge_patch, merge_trees
from stacks.origin import Json, Origin, Tree, leaves, nodes

RFC_7396_APPENDIX_A = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

KEYS = st.sampled_from("abc")
SCALARS = st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])


def _json(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda below: st.lists(below, max_size=2) | st.dictionaries(KEYS, below, max_size=3),
        max_leaves=8,
    )


WITHOUT_NULL = _json(SCALARS)
PATCHES = _json(SCALARS | st.none())


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396_APPENDIX_A)
def test_the_examples_of_the_rfc(target: Json, patch: Json, result: Json) -> None:
    assert merge_patch(target, patch) == result


@given(WITHOUT_NULL, PATCHES)
def test_a_patch_applied_twice_gives_the_same_result(target: Json, patch: Json) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(WITHOUT_NULL, PATCHES)
def test_neither_argument_is_changed(target: Json, patch: Json) -> None:
    before = copy.deepcopy((target, patch))
    merge_patch(target, patch)
    assert (target, patch) == before


@given(st.dictionaries(KEYS, WITHOUT_NULL, max_size=3))
def test_an_empty_patch_changes_nothing(target: dict[str, Json]) -> None:
    assert merge_patch(target, {}) == target


@given(WITHOUT_NULL, WITHOUT_NULL)
def test_a_patch_can_reach_every_value_without_null(source: Json, target: Json) -> None:
    assert merge_patch(source, _difference(source, target)) == target


def _difference(source: Json, target: Json) -> Json:
    """The patch that makes the target out of the source."""
    if not isinstance(target, dict):
        return target
    if not isinstance(source, dict):
        return target
    removed: dict[str, Json] = dict.fromkeys(source.keys() - target.keys())
    changed = {key: _difference(source.get(key), value) for key, value in target.items()}
    return {**removed, **changed}


@given(st.dictionaries(KEYS, WITHOUT_NULL, max_size=3), st.dictionaries(KEYS, PATCHES, max_size=3))
def test_every_value_of_the_result_has_its_origin(target: dict[str, Json], patch: dict[str, Json]) -> None:
    below, above = _written(target, "site.yaml"), _written(patch, "stack.yaml")
    merged = merge_trees(below, above)
    assert merged.value == merge_patch(target, patch)
    for path, value in leaves(merged.value):
        origin = merged.origins[path]
        by_patch = path in above.origins and not isinstance(value, dict)
        assert origin.by_override == by_patch or value == {}
        assert origin.file == ("stack.yaml" if origin.by_override else "site.yaml")


@given(st.dictionaries(KEYS, WITHOUT_NULL, max_size=3), st.dictionaries(KEYS, PATCHES, max_size=3))
def test_the_origin_of_a_removed_value_is_the_override(target: dict[str, Json], patch: dict[str, Json]) -> None:
    merged = merge_trees(_written(target, "site.yaml"), _written(patch, "stack.yaml"))
    there = {path for path, _ in nodes(merged.value)}
    assert all(origin.by_override for path, origin in merged.origins.items() if path not in there)


def _written(value: Json, file: str) -> Tree:
    return Tree(value, {path: Origin(file, line) for line, (path, _) in enumerate(nodes(value), 1)})
