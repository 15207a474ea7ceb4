"""Builds images with buildah into docker archives, cached under a key of everything that goes into them."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.images.build_cache import Waiting, build_once, run
from devcluster.images.catalog import IMAGES, Image
from devcluster.images.debian_root import ensure_root
from devcluster.images.wheels import ensure_wheels
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from devcluster.toolchain.programs import TOOLS
from devcluster.toolchain.store import key_of

# The vfs driver mounts nothing. All images start from scratch, so its copying of layers costs nothing either.
_BUILDAH = ("buildah", "--storage-driver=vfs")
_BUILD = ("build", "--isolation=chroot", "--format=docker", "--timestamp=0")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The folders that a Containerfile copies from.

    Args:
        context: source of `ADD` and `COPY`.
        named: further folders by the name that `COPY --from` gives them.
        fingerprint: a JSON value that changes when the content of one of them does.
    """

    context: Path
    named: Mapping[str, Path] = field(default_factory=dict)
    fingerprint: object


def ensure_images(
    toolchain: Toolchain, progress: Progress, references: Iterable[str] = tuple(IMAGES)
) -> dict[str, Path]:
    """Build the images that are not there yet, and return the docker archive of each by its reference.

    A killed run leaves nothing mounted, and each archive whole or absent.

    Args:
        toolchain: provides buildah, debootstrap and the programs; waits for those that are being built.
        progress: of the current step.
        references: of the images; by default all.

    Raises:
        DevClusterError: a program is missing and cannot be built, or a build failed.
    """
    return {reference: _ensure_archive(IMAGES[reference], toolchain, progress) for reference in references}


def provide_inputs(image: Image, toolchain: Toolchain, progress: Progress) -> Inputs:
    """Make the folders that go into an image, or wait for them.

    Raises:
        DevClusterError: one cannot be made.
    """
    if image.name in TOOLS:
        program = toolchain.wait(image.name, progress)
        status = program.stat()
        return Inputs(context=program.parent, fingerprint=[str(program), status.st_size, status.st_mtime_ns])
    toolchain.ensure(["debootstrap"], progress)
    root = ensure_root(image.packages, progress.waiting)
    if not image.requirements.exists():
        return Inputs(context=root, fingerprint=[root.name])
    wheels = ensure_wheels(image, progress.waiting)
    return Inputs(context=root, named={"wheels": wheels}, fingerprint=[root.name, wheels.name])


def image_key(image: Image, inputs: Inputs) -> str:
    """Return the key of an image's build: of its reference, its Containerfile, its inputs and our options."""
    return key_of(
        {
            "reference": image.reference,
            "containerfile": image.containerfile.read_text(),
            "inputs": inputs.fingerprint,
            "build": _BUILD,
        }
    )


def build(image: Image, inputs: Inputs, output: str, directory: Path, waiting: Waiting) -> None:
    """Run buildah once, in a storage of its own that is gone afterwards.

    Args:
        image: to build.
        inputs: the folders that its Containerfile copies from.
        output: buildah's argument for the destination.
        directory: unfinished folder, for buildah's storage.
        waiting: gets progress once a second.

    Raises:
        DevClusterError: buildah failed.
    """
    scratch = directory / "buildah"
    storage = (f"--root={scratch / 'storage'}", f"--runroot={scratch / 'run'}")
    contexts = [f"--build-context={name}={path}" for name, path in inputs.named.items()]
    run(
        [*_BUILDAH, *storage, *_BUILD, *contexts, f"--file={image.containerfile}", output, str(inputs.context)],
        title=f"image {image.name}",
        log=f"image-{image.name}",
        waiting=waiting,
    )
    shutil.rmtree(scratch)


def _ensure_archive(image: Image, toolchain: Toolchain, progress: Progress) -> Path:
    inputs = provide_inputs(image, toolchain, progress)
    archive = f"{image.name}.tar"

    def make(directory: Path) -> None:
        toolchain.ensure(["buildah"], progress)
        output = f"--tag=docker-archive:{directory / archive}:{image.reference}"
        build(image, inputs, output, directory, progress.waiting)

    return build_once(image.name, image_key(image, inputs), progress.waiting, make) / archive
