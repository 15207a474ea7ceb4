"""Every image of the cluster, and what goes into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

IMAGES_DIRECTORY = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image whose Containerfile stands in the folder of its name.

    Args:
        name: last part of the repository, such as `envoy`.
        tag: version of what is inside, as the official image has it.
    """

    name: str
    tag: str

    @property
    def reference(self) -> str:
        """What a pod's `image` says. `localhost` is no registry that a kubelet would ask."""
        return f"localhost/sonic-dev/{self.name}:{self.tag}"

    @property
    def containerfile(self) -> Path:
        """How it is put together."""
        return IMAGES_DIRECTORY / self.name / "Containerfile"


@dataclass(frozen=True, kw_only=True)
class ProgramImage(Image):
    """One static program of the toolchain, which has the image's name, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class WheelImage(Image):
    """Debian's root file system, and programs taken from Python wheels."""

    @property
    def requirements(self) -> Path:
        """The wheels, pinned by hash."""
        return IMAGES_DIRECTORY / self.name / "requirements.txt"


@dataclass(frozen=True, kw_only=True)
class DebianImage(Image):
    """Debian's root file system, and nothing else."""


PAUSE = ProgramImage(name="pause", tag="1")
COREDNS = ProgramImage(name="coredns", tag="1.15.0")
ENVOY = WheelImage(name="envoy", tag="1.39.1")
TRITON = WheelImage(name="triton", tag="24.10")
PYTHON = DebianImage(name="python", tag="3.11")
PROMETHEUS = ProgramImage(name="prometheus", tag="3.10.0")
KEDA_OPERATOR = ProgramImage(name="keda-operator", tag="2.21.0")
KEDA_METRICS_APISERVER = ProgramImage(name="keda-metrics-apiserver", tag="2.21.0")

_ALL: list[ProgramImage | WheelImage | DebianImage] = [
    *(PAUSE, COREDNS, ENVOY, PYTHON, TRITON, PROMETHEUS, KEDA_OPERATOR, KEDA_METRICS_APISERVER),
]

IMAGES: Mapping[str, ProgramImage | WheelImage | DebianImage] = MappingProxyType(
    {image.reference: image for image in _ALL}
)
"""Every image by its reference, in the order in which a cluster that starts needs them."""
