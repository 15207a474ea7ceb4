"""Values of a site of SuperSONIC 0.3.1."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Values:
    """Values of a site."""

    name: str
    """Name of the release. The Envoys have it, and the servers have it with `-triton`."""
    namespace: str
    triton_image: str
    envoy_image: str
    servers: int
    """`triton.replicas`."""
    models: Path
    """Folder of the node that holds the models."""
    triton_limits: Mapping[str, str]
    """`triton.resources.limits`."""
    envoy_limits: Mapping[str, str]
    """`envoy.resources.limits`."""
    requested_cpu: str
    """CPU that each pod requests: little, so that the node holds both sides."""
    node_port: int
    """NodePort of Envoy."""


def triton_name(release: str) -> str:
    """Name of the servers' Deployment and Service."""
    return f"{release}-triton"
