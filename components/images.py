"""Names of images, with the mirrors of a site."""

from collections.abc import Mapping

_HUB = "docker.io"


def mirrored(image: str, mirrors: Mapping[str, str]) -> str:
    """Return the image's name with the longest start that has a mirror replaced; tag and digest stay.

    A name without a registry is of Docker Hub, as container runtimes read it: `fastml/triton:1` is
    `docker.io/fastml/triton:1`, and `triton:1` is `docker.io/library/triton:1`.
    """
    full = _full(image)
    fitting = [start for start in mirrors if full.startswith(f"{start}/")]
    if not fitting:
        return image
    start = max(fitting, key=len)
    return f"{mirrors[start]}{full.removeprefix(start)}"


def _full(image: str) -> str:
    registry, slash, _ = image.partition("/")
    if not slash:
        return f"{_HUB}/library/{image}"
    named = "." in registry or ":" in registry or registry == "localhost"
    return image if named else f"{_HUB}/{image}"
