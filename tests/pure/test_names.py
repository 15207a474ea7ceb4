"""Names of Kubernetes objects: whole, or refused."""

import pytest

from components.names import SUBDOMAIN_LENGTH_MAX, join


def test_a_name_says_its_parts() -> None:
    assert join("sonic-cms", "triton", "gpu") == "sonic-cms-triton-gpu"
    assert join("x" * 31, "y" * 31) == f"{'x' * 31}-{'y' * 31}"


def test_a_name_that_is_too_long_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match=r"the name x+-y+ has 64 characters, and at most 63 are allowed"):
        join("x" * 31, "y" * 32)
    assert len(join("x" * 63, "y" * 63, length_max=SUBDOMAIN_LENGTH_MAX)) == 127


@pytest.mark.parametrize("parts", [(), ("a", "")])
def test_a_name_without_a_part_is_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a name needs non-empty parts"):
        join(*parts)
