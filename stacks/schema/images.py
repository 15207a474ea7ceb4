"""Images of a site that replace a pinned one, held to what the program needs of them by their tags."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from stacks.schema.base import ImageReference

ENVOY_OLDEST = (1, 39)
"""Release with which previews validate Envoy's configuration; an older one may not know a field of it."""
_PYTHON_OLDEST = (3, 11)
_TRITON_HEALTH, _TRITON_OLDEST = (23, 2), (23, 9)
"""Releases of NVIDIA's container from which Triton answers `grpc.health.v1`, and counts waiting requests."""
_YEARS = range(18, 100)
"""Years of Triton's releases; a tag with another number has numbers of its owner's."""


def _release(image: str) -> tuple[int, int] | None:
    """Return the first two numbers of a tag, None for a tag without them and for a digest alone."""
    match = re.search(r":v?([0-9]+)\.([0-9]+)[^/:]*$", image.partition("@")[0])
    return (int(match[1]), int(match[2])) if match else None


def _envoy(image: str) -> str:
    release = _release(image)
    if "distroless" in image:
        msg = "the hook that drains Envoy needs a shell, which no distroless image has: take `distroless-` out"
        raise ValueError(msg)
    if release and release < ENVOY_OLDEST:
        msg = "must be Envoy 1.39 or later, with which previews validate its configuration: take a later tag"
        raise ValueError(msg)
    return image


def _python(image: str) -> str:
    release = _release(image)
    if release and release < _PYTHON_OLDEST:
        msg = "must be Python 3.11 or later: take a later tag"
        raise ValueError(msg)
    return image


def _triton(image: str) -> str:
    year, month = release = _release(image) or _TRITON_OLDEST
    if year not in _YEARS or month not in range(1, 13) or release >= _TRITON_OLDEST:
        return image
    lacks = "does not count the requests that wait, which servers are added for"
    if release < _TRITON_HEALTH:
        lacks = "does not answer Envoy's health checks, so that Envoy would send it no request"
    msg = f"must be Triton 23.09 or later: {year}.{month:02} {lacks}: take a later tag, or build the backends on one"
    raise ValueError(msg)


EnvoyImage = Annotated[ImageReference, AfterValidator(_envoy)]
"""Envoy with a shell."""


def _no_path(image: object) -> object:
    if isinstance(image, str) and image.startswith("/"):
        msg = (
            "must be an image of a registry, whose folder of unpacked images is image_folders of the site's interlink "
            "pool: write one such as nvcr.io/nvidia/tritonserver:26.04-py3"
        )
        raise ValueError(msg)
    return image


TritonImage = Annotated[ImageReference, AfterValidator(_triton), BeforeValidator(_no_path)]
"""tritonserver with the experiment's backends. Images that are built on NVIDIA's often keep its release in the tag."""

PythonImage = Annotated[ImageReference, AfterValidator(_python)]
"""Python and its standard library."""
