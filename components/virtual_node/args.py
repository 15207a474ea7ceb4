"""Arguments of the virtual kubelet of one virtual node."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import names, versions
from components.images import mirrored
from components.naming import Naming
from stacks.schema.site import Images
from stacks.schema.virtual_nodes import SocketApi, VirtualNode

NODE_LABEL = "sonic.fastmachinelearning.org/virtual-node"
"""Label with the virtual node of a virtual kubelet."""


@dataclass(frozen=True, kw_only=True)
class VirtualNodeImages:
    """Images of a virtual node, by the site's mirrors."""

    kubelet: str
    """interLink's virtual kubelet."""
    api: str
    """interLink's API."""
    refresh: str
    """interLink's program for access tokens, which its chart deploys."""
    sshd: str
    """OpenSSH's server."""
    wstunnel: str
    """wstunnel."""

    @classmethod
    def of(cls, release: str, images: Images) -> "VirtualNodeImages":
        """Return the images of a release of interLink at a site."""
        mirrors = images.mirrors
        return cls(
            kubelet=mirrored(f"{versions.INTERLINK_IMAGES}/virtual-kubelet-inttw:{release}", mirrors),
            api=mirrored(f"{versions.INTERLINK_IMAGES}/interlink:{release}", mirrors),
            refresh=mirrored(f"{versions.INTERLINK_IMAGES}/virtual-kubelet-inttw-refresh:{release}", mirrors),
            sshd=mirrored(images.sshd or versions.SSHD_IMAGE, mirrors),
            wstunnel=mirrored(images.wstunnel or versions.WSTUNNEL_IMAGE, mirrors),
        )


@dataclass(frozen=True, kw_only=True)
class TokenArgs:
    """Image and secret of the container that renews the access token of interLink's API."""

    image: str
    """Image with Python, by the site's mirrors."""
    client_secret: pulumi.Input[str]
    """Secret of the OAuth2 client."""


@dataclass(frozen=True, kw_only=True)
class VirtualNodeArgs:
    """A virtual node, and its place in a cluster."""

    naming: Naming
    """Instance of the stack that owns the node. The namespace of the virtual kubelet is the node's."""
    node: VirtualNode
    """The node."""
    images: VirtualNodeImages
    """Images, by the site's mirrors."""
    plugin_image: str | None
    """Image of the Slurm plugin, by the site's mirrors; None: it runs elsewhere."""
    token: TokenArgs | None = None
    """Image and secret for an access token; None: interLink's API takes none."""
    api_server_port: int
    """Port of the API servers behind Service `kubernetes`."""

    @property
    def name(self) -> str:
        """Name of the objects of the virtual kubelet."""
        return names.join("virtual-node", self.node.name)

    @property
    def selector(self) -> Mapping[str, str]:
        """Labels of the virtual kubelet's pod."""
        return {**self.naming.labels("virtual-node").selector, NODE_LABEL: self.node.name}

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the objects of the virtual kubelet."""
        return {**self.naming.labels("virtual-node").all, NODE_LABEL: self.node.name}

    @property
    def socket(self) -> SocketApi | None:
        """The API in the virtual kubelet's pod; None: it is elsewhere."""
        return self.node.api if isinstance(self.node.api, SocketApi) else None
