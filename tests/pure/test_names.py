"""Names of Kubernetes objects: valid, short enough, and never two the same."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.names import LABEL_LENGTH_MAX, join

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?", fullmatch=True)
PARTS = st.lists(LABEL, min_size=1, max_size=4)
LENGTHS = st.integers(min_value=10, max_value=LABEL_LENGTH_MAX)
RFC_1123_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@given(PARTS, LENGTHS)
def test_labels_join_to_a_label_that_is_short_enough(parts: list[str], length_max: int) -> None:
    name = join(*parts, length_max=length_max)
    assert len(name) <= length_max
    assert RFC_1123_LABEL.fullmatch(name)


@given(PARTS)
def test_a_short_name_says_its_parts(parts: list[str]) -> None:
    assume(sum(len(part) + 1 for part in parts) <= LABEL_LENGTH_MAX)
    assert join(*parts) == "-".join(parts)


@given(PARTS, PARTS, LENGTHS)
def test_two_names_stay_two(one: list[str], other: list[str], length_max: int) -> None:
    assume("-".join(one) != "-".join(other))
    assert join(*one, length_max=length_max) != join(*other, length_max=length_max)


@given(
    st.text("ab", min_size=60, max_size=200),
    st.text("ab", min_size=1, max_size=4),
    st.text("ab", min_size=1, max_size=4),
)
def test_long_names_that_differ_only_at_the_end_stay_two(stem: str, one: str, other: str) -> None:
    assume(one != other)
    assert join(stem, one) != join(stem, other)


def test_a_name_is_the_same_tomorrow() -> None:
    assert join("sonic", "x" * 80) == f"sonic-{'x' * 48}-77c43620"


@pytest.mark.parametrize(("parts", "length_max"), [((), 63), (("a", ""), 63), (("a",), 9)])
def test_what_cannot_be_a_name_is_refused(parts: tuple[str, ...], length_max: int) -> None:
    with pytest.raises(ValueError, match=r"a name needs non-empty parts|a shortened name needs more than"):
        join(*parts, length_max=length_max)
