"""Names are joined and shortened so that two names stay two names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.names import LABEL_LENGTH_MAX, join

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
PARTS = st.lists(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True), min_size=1, max_size=5)


def test_a_short_name_is_its_parts() -> None:
    assert join("sonic-cms", "triton", "gpu") == "sonic-cms-triton-gpu"


def test_a_long_name_keeps_its_beginning() -> None:
    name = join("sonic-cms", "triton", "p" * 60)
    assert name.startswith("sonic-cms-triton-ppp")
    assert len(name) == LABEL_LENGTH_MAX


def test_two_long_names_that_begin_alike_stay_two() -> None:
    assert join("sonic", "p" * 60, "a") != join("sonic", "p" * 60, "b")


@given(PARTS, st.integers(min_value=10, max_value=253))
def test_a_name_is_a_dns_label_of_the_length_asked_for(parts: list[str], length_max: int) -> None:
    name = join(*parts, length_max=length_max)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= length_max


@given(PARTS, PARTS)
def test_names_differ_where_what_is_joined_differs(one: list[str], other: list[str]) -> None:
    assert (join(*one) == join(*other)) == ("-".join(one) == "-".join(other))


@pytest.mark.parametrize("parts", [(), ("sonic", "")])
def test_nothing_is_not_a_name(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="non-empty parts"):
        join(*parts)


def test_no_room_beside_the_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="length_max is 9"):
        join("sonic", length_max=9)
