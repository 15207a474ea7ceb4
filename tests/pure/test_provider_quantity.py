"""Quantities in the form that the API server stores them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.provider.quantity import canonical_quantity


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        (2, "2"),
        (0.1, "100m"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("12E2", "1200"),
        ("100M", "100M"),
        ("0", "0"),
        ("+1", "1"),
        ("1n", "1n"),
        ("0.1n", "1n"),
    ],
)
def test_the_canonical_form_is_gos(given_text: str | float, canonical: str) -> None:
    assert canonical_quantity(given_text) == canonical


@pytest.mark.parametrize("text", ["banana", "", "1 Gi", "1gi", "1.2.3", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        canonical_quantity(text)


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_the_canonical_form_of_a_canonical_form_is_itself(number: int, suffix: str) -> None:
    once = canonical_quantity(f"{number}{suffix}")
    assert canonical_quantity(once) == once
