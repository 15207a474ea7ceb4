"""The only place where names of Kubernetes objects are joined and shortened."""

import hashlib

LABEL_LENGTH_MAX = 63
"""Longest RFC 1123 label: names of Services, values of labels."""
_HASH_LENGTH = 8


def join(*parts: str, length_max: int = LABEL_LENGTH_MAX) -> str:
    """Join parts with dashes into a name of at most `length_max` characters.

    A longer name keeps its beginning and ends in a hash of the whole: two long names stay two names.

    Raises:
        ValueError: when no part is given, a part is empty, or `length_max` leaves no room beside the hash.
    """
    if not parts or not all(parts):
        msg = f"a name needs non-empty parts, found {parts!r}"
        raise ValueError(msg)
    if length_max <= _HASH_LENGTH + 1:
        msg = f"length_max is {length_max}: a shortened name needs more than {_HASH_LENGTH + 1} characters"
        raise ValueError(msg)
    name = "-".join(parts)
    if len(name) <= length_max:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: length_max - _HASH_LENGTH - 1].rstrip('-.')}-{digest}"
