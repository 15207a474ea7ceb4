"""A feature of the proxy as one value: everything that it adds to Envoy's configuration, its pod and its policy.

`features.py` lists the features. The bootstrap, the listener, the Deployment and the NetworkPolicy add up their values
and know none of them by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.base import Manifest
from components.envoy.typed import Config
from components.network import Edge

CONFIG_FOLDER = "/etc/sonic-envoy"
"""Mount path of the ConfigMap, in every container of the pod."""

RoutePatch = Callable[[Sequence[Config]], Sequence[Config]]
"""Takes the routes for clients, first match first, and returns those that replace them."""


def config_map_key(path: str) -> str:
    """Return the key of a file in the ConfigMap, whose keys know no folders."""
    return path.replace("/", ".")


def _unchanged(routes: Sequence[Config]) -> Sequence[Config]:
    return routes


@dataclass(frozen=True, kw_only=True)
class SecretMount:
    """A Secret of the namespace that Envoy's container mounts as a folder."""

    volume: str
    """Name of the pod's volume."""
    secret: str
    """Name of the Secret. It is mounted whole, so that the kubelet renews its files in place."""
    folder: str
    """Mount path."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """The parts of one feature. A feature that is switched off adds nothing: `Feature()`."""

    transport_socket: Config | None = None
    """Transport socket of the clients' listener; None: plain text, or another feature's."""
    connection_manager: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the clients' connection manager that no other part of a feature sets."""
    http_filters: Sequence[Config] = ()
    """HTTP filters of the clients' listener, in order, between the counter of calls and the router."""
    patch_routes: RoutePatch = _unchanged
    """Change of the clients' routes."""
    local_replies: Sequence[Config] = ()
    """Mappers of Envoy's own answers (`local_reply_config`)."""
    log_fields: Mapping[str, str] = field(default_factory=dict)
    """Field of the access log -> format string."""
    requests_max: int | None = None
    """Limit on requests in progress in one Envoy; the lowest limit counts."""
    upstream_filters: Sequence[Config] = ()
    """HTTP filters of each attempt, between the router and a server."""
    clusters: Sequence[Config] = ()
    """Upstream clusters besides the servers."""
    runtime_layers: Sequence[Config] = ()
    """Layers of Envoy's runtime."""
    overload_manager: Config | None = None
    """Envoy's overload manager; None: another feature's."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path in `CONFIG_FOLDER` -> content of the file."""
    secrets: Sequence[SecretMount] = ()
    """Secrets in Envoy's container."""
    awaited_secrets: Sequence[str] = ()
    """Names of secrets in Envoy's configuration without which it must get no traffic."""
    containers: Sequence[Manifest] = ()
    """Containers beside Envoy's."""
    volumes: Sequence[Manifest] = ()
    """Volumes of these containers, besides the ConfigMap's, which is called `config`."""
    egress: Sequence[Edge] = ()
    """Outgoing traffic besides DNS and the servers."""
