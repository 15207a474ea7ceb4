"""Oldest releases that the program supports. README.md names them, and a test holds all rendered objects to them.

An API server drops a field that it does not know, or whose feature gate is off, without an error. So no object may rely
on a newer field: docs/adr, "Nothing relies on a field that an old cluster drops".
"""

KUBERNETES_OLDEST = "1.29"
KEDA_OLDEST = "2.16"
INTERLINK_OLDEST = "0.6.1"
"""First release that puts tunnels into the pod's own namespace (`interlink.eu/shadow-same-ns`)."""


def parts(release: str) -> tuple[int, ...]:
    """Return the numbers of a release such as `1.29`, which compare as releases do.

    A pre-release such as `0.7.0-pre2` has the numbers of the release.
    """
    return tuple(int(part) for part in release.partition("-")[0].split("."))
