"""The only place where names of Kubernetes objects are joined."""

LABEL_LENGTH_MAX = 63
"""Longest RFC 1123 label in characters: names of Services, values of labels."""
SUBDOMAIN_LENGTH_MAX = 253
"""Longest RFC 1123 subdomain in characters: names of objects that no other name or label repeats."""


def join(*parts: str, length_max: int = LABEL_LENGTH_MAX) -> str:
    """Join parts with dashes. A name is never cut: `StackConfig` refuses an instance that makes one too long.

    Raises:
        ValueError: when no part is given, a part is empty, or the name is longer than `length_max` characters.
    """
    if not parts or not all(parts):
        msg = f"a name needs non-empty parts, found {parts!r}"
        raise ValueError(msg)
    name = "-".join(parts)
    if len(name) > length_max:
        msg = f"the name {name} has {len(name)} characters, and at most {length_max} are allowed: shorten a part"
        raise ValueError(msg)
    return name
