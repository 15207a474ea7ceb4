"""Property paths, as the engine writes and reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.provider.paths import Path, covers, format_path, parse_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "containers", 0, "image"), "spec.containers[0].image"),
        (("metadata", "labels", "offi/x"), "metadata.labels.offi/x"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        (("data", 'say "hi"'), 'data["say \\"hi\\""]'),
    ],
)
def test_only_keys_with_dots_quotes_or_brackets_are_quoted(path: Path, text: str) -> None:
    assert format_path(path) == text


@given(st.lists(st.text('ab./_-"[]', min_size=1) | st.integers(0, 99), min_size=1))
def test_a_written_path_is_read_back(steps: list[str | int]) -> None:
    assert parse_path(format_path(tuple(steps))) == tuple(steps)


def test_a_path_covers_itself_and_what_lies_below() -> None:
    assert covers(("spec", "replicas"), ("spec", "replicas"))
    assert covers(("spec",), ("spec", "template", "spec"))
    assert covers(("spec", "containers", "*", "image"), ("spec", "containers", 3, "image"))
    assert not covers(("spec", "replicas"), ("spec",))
    assert not covers(("spec", "replicas"), ("spec", "selector"))


@pytest.mark.parametrize("text", ["spec..x", "spec[", 'a["b"'])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a property path"):
        parse_path(text)
