"""The name of each side in tables and files."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ComparedSide:
    """SuperSONIC's configuration or ours."""

    name: str
    """As tables show it."""
    slug: str
    """As files are named."""
