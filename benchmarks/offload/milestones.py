"""The parts of the time from a scale request to the first request that the new server answers."""

from collections.abc import Mapping

FIRST_ANSWER = "first answer"
"""The last milestone: the new server answers a request that Envoy sent it."""
PARTS: Mapping[str, str] = {
    "pod": "the virtual pod exists",
    "submit": "its tunnel pod has an address and the job is in the queue",
    "queue": "Slurm starts the job",
    "start": "Triton writes its first line",
    "models": "Triton is ready",
    "tunnel": "it answers through its tunnel pod",
    "probe": "the tunnel pod is ready",
}
"""Name of a part -> the milestone that ends it, in their order."""


def parts(reached_seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds that each part adds to those before it.

    Tunnel and server start side by side, so that a part may end before the one that is named first: it adds nothing.

    Args:
        reached_seconds: name of a part -> time of its end, from the scale request on.
    """
    added, latest = {}, 0.0
    for name in PARTS:
        added[name] = max(0.0, reached_seconds[name] - latest)
        latest = max(latest, reached_seconds[name])
    return added
