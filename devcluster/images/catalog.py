"""The catalog of the cluster's images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from components.versions import ENVOY_VERSION

IMAGES_DIRECTORY = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image, built from the Containerfile in the folder of its name.

    An image that is named like a tool of the toolchain holds that program alone. Every other holds Debian's root file
    system, and the wheels of its `requirements.txt` if it has one.

    Args:
        name: of its folder, and last part of the repository, such as `envoy`.
        tag: version of the program inside, spelled as on the official image.
        packages: Debian packages in its root file system besides those of every image.
        repository: last parts of the repository where they are not the name, as for an image that sites mirror.
    """

    name: str
    tag: str
    packages: tuple[str, ...] = ()
    repository: str = ""

    @property
    def reference(self) -> str:
        """Value for a pod's `image`. No kubelet would ask `localhost` for it: it is no registry."""
        return f"localhost/sonic-dev/{self.repository or self.name}:{self.tag}"

    @property
    def containerfile(self) -> Path:
        """Build recipe."""
        return IMAGES_DIRECTORY / self.name / "Containerfile"

    @property
    def requirements(self) -> Path:
        """Wheels pinned by hash; many images have no such file."""
        return IMAGES_DIRECTORY / self.name / "requirements.txt"


PAUSE = Image(name="pause", tag="1")
COREDNS = Image(name="coredns", tag="1.15.0")
ENVOY = Image(name="envoy", tag=ENVOY_VERSION)
PYTHON = Image(name="python", tag="3.11")
TRITON = Image(name="triton", tag="24.10")
PROMETHEUS = Image(name="prometheus", tag="3.10.0")
KEDA_OPERATOR = Image(name="keda-operator", tag="2.21.0")
KEDA_METRICS_APISERVER = Image(name="keda-metrics-apiserver", tag="2.21.0")
# Named as the program names interLink's and the tunnels' images, so that a site's mirrors lead to them. Inside are the
# stand-in for the virtual kubelet and Debian's OpenSSH 9.2.
VIRTUAL_NODE = Image(name="virtual-node", repository="interlink/virtual-kubelet-inttw", tag="0.6.1")
SSHD = Image(
    name="sshd",
    repository="linuxserver/openssh-server",
    tag="version-10.2_p1-r0",
    packages=("openssh-server",),
)

_ALL = (PAUSE, COREDNS, ENVOY, PYTHON, TRITON, PROMETHEUS, KEDA_OPERATOR, KEDA_METRICS_APISERVER, VIRTUAL_NODE, SSHD)

IMAGES: Mapping[str, Image] = MappingProxyType({image.reference: image for image in _ALL})
"""Every image by its reference, in the order in which a cluster that starts needs them."""
