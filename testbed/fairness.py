"""Jain's index, a figure for fairness among tenants."""

from collections.abc import Sequence


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 when all shares are equal, 1/n when one tenant has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
