"""Oldest releases that the program supports. README.md names them, and a test holds all rendered objects to them.

An API server drops a field that it does not know, or whose feature gate is off, without an error. So no object may rely
on a newer field: docs/adr, "Nothing relies on a field that an old cluster drops".
"""

KUBERNETES_OLDEST = "1.29"
KEDA_OLDEST = "2.16"


def parts(release: str) -> tuple[int, ...]:
    """Return the numbers of a release such as `1.29`, which compare as releases do."""
    return tuple(int(part) for part in release.split("."))
