"""Names of images, with the mirrors of a site."""

from collections.abc import Mapping

_HUB = "docker.io"


def mirrored(image: str, mirrors: Mapping[str, str]) -> str:
    """Return the image's name with the longest start that has a mirror replaced; tag and digest stay.

    A name without a registry is of Docker Hub, as container runtimes read it: `fastml/triton:1` is
    `docker.io/fastml/triton:1`, and `triton:1` is `docker.io/library/triton:1`.
    """
    return _replaced(image, mirrors) or image


def in_a_job(image: str, *, folders: Mapping[str, str], mirrors: Mapping[str, str]) -> str:
    """Return the image as a container runtime of a Slurm cluster takes it: a folder, or a name of one registry.

    A folder of unpacked images knows tags. Runtimes such as apptainer refuse a name with both a tag and a digest; the
    digest counts.

    Args:
        image: name of the image.
        folders: start of an image's name -> folder with the unpacked images.
        mirrors: start of an image's name -> the mirror's, for an image without a folder.
    """
    unpacked = _replaced(image, folders)
    if unpacked is not None:
        return unpacked.partition("@")[0] if _tag(image) else unpacked
    name, _, digest = mirrored(image, mirrors).partition("@")
    if not digest:
        return name
    return f"{name.removesuffix(f':{_tag(name)}')}@{digest}"


def _replaced(image: str, starts: Mapping[str, str]) -> str | None:
    full = _full(image)
    fitting = [start for start in starts if full.startswith(f"{start}/")]
    if not fitting:
        return None
    start = max(fitting, key=len)
    return f"{starts[start]}{full.removeprefix(start)}"


def _tag(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _full(image: str) -> str:
    registry, slash, _ = image.partition("/")
    if not slash:
        return f"{_HUB}/library/{image}"
    named = "." in registry or ":" in registry or registry == "localhost"
    return image if named else f"{_HUB}/{image}"
