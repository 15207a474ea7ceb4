"""Configuration of interLink's virtual kubelet. Keys are those of pkg/virtualkubelet/config.go."""

from typing import Any

from stacks.schema.remote_apis import HttpsApi, OAuth2Api
from stacks.schema.url import endpoint
from stacks.schema.virtual_nodes import SocketApi, VirtualNode, WstunnelTunnel

API_PORT = 3030
"""Port of interLink's API on the loopback network of the virtual kubelet's pod."""
CONFIG_FOLDER = "/etc/interlink"
CERTIFICATE_FOLDER = "/etc/interlink-certificate"
TOKEN_FOLDER = "/run/interlink-token"  # noqa: S105  a path
TOKEN_FILE = f"{TOKEN_FOLDER}/token"
"""Access token, where interLink's API takes one. The virtual kubelet reads it for each call."""
CONFIG_FILE = "VirtualKubeletConfig.yaml"
TEMPLATE_FILE = "tunnel.yaml"
"""Keys of the ConfigMap, which are file names where it is mounted."""

TUNNEL_COMMAND = "export SONIC_TUNNEL_SECRET='%[1]s' SONIC_TUNNEL_FORWARDS='%[2]s' SONIC_TUNNEL_HOST='%[3]s'"
"""Command that the virtual kubelet puts before the script of a job: path prefix, forwards and host of its tunnel. The
script has the client of the transport. Without any of the three, Go's fmt.Sprintf would append it."""


def kubelet_config(node: VirtualNode, *, template_path: str = f"{CONFIG_FOLDER}/{TEMPLATE_FILE}") -> dict[str, Any]:
    """Return the configuration.

    Args:
        node: the virtual node.
        template_path: path of the template of tunnels.
    """
    return {
        **_api(node),
        "ServiceAccount": node.account,
        "Namespace": node.namespace,
        "VerboseLogging": False,
        # At its usual level it logs the path prefix of each wstunnel, which is the tunnel's secret.
        "ErrorsOnlyLogging": isinstance(node.tunnel, WstunnelTunnel),
        # The API servers ask for no certificate of a kubelet unless they are told to, and requests of certificates
        # would be one more right in the whole cluster.
        "DisableCSR": True,
        # Pods of a stack have no token; a projected one would be one more right.
        "DisableProjectedVolumes": True,
        "HTTP": {"Insecure": False},
        "Resources": {
            "CPU": str(node.capacity.cpu_cores),
            "Memory": f"{node.capacity.memory_gib}Gi",
            "Pods": str(node.capacity.pods),
        },
        "Network": {
            "EnableTunnel": True,
            "WildcardDNS": wildcard_dns(node),
            "WstunnelTemplatePath": template_path,
            "WstunnelCommand": TUNNEL_COMMAND,
        },
    }


def wildcard_dns(node: VirtualNode) -> str:
    """Return the domain of the tunnels' hosts. Empty: the job gets the name of the tunnel's Service."""
    return node.tunnel.domain if isinstance(node.tunnel, WstunnelTunnel) else ""


def _api(node: VirtualNode) -> dict[str, Any]:
    match node.api:
        case SocketApi():
            return {"InterlinkURL": "http://127.0.0.1", "InterlinkPort": str(API_PORT)}
        case HttpsApi(url=url):
            return {**_address(url), "TLS": tls_files(CERTIFICATE_FOLDER)}
        case OAuth2Api(url=url):
            authorities = {"Enabled": True, "CACertFile": f"{CERTIFICATE_FOLDER}/ca.crt"}
            return {**_address(url), "TLS": authorities, "VKTokenFile": TOKEN_FILE}


def _address(url: str) -> dict[str, str]:
    scheme, host, port = endpoint(url)
    return {"InterlinkURL": f"{scheme}://{host}", "InterlinkPort": str(port)}


def tls_files(folder: str) -> dict[str, Any]:
    """Return key `TLS` of either side: its certificate, and the authorities by which it knows the other."""
    files = {"CertFile": "tls.crt", "KeyFile": "tls.key", "CACertFile": "ca.crt"}
    return {"Enabled": True, **{key: f"{folder}/{file}" for key, file in files.items()}}
