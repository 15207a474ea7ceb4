"""Values of interLink's official chart, 0.6.1, for a virtual kubelet that the program does not deploy.

They cannot keep the virtual kubelet from logging each step, the path prefix of a wstunnel among them: the chart's
template turns `verboseLogging: false` into its default, true.
"""

import json
from typing import Any

from components.virtual_node import VirtualNodeImages
from components.virtual_node.kubelet_config import API_PORT, TUNNEL_COMMAND, wildcard_dns
from components.virtual_node.slurm_side import PLUGIN_ENVIRONMENT, scripts, slurm_config
from components.virtual_node.tunnel_template import tunnel_template
from stacks.schema.remote_apis import HttpsApi, OAuth2Api
from stacks.schema.url import endpoint
from stacks.schema.virtual_nodes import SocketApi, VirtualNode

SCRIPTS_FOLDER = "/etc/interlink-scripts"
_PLUGIN_SOCKET = "unix:///var/run/plugin.sock"
_CERTIFICATES_FOLDER = "/etc/vk/certs"


def chart_values(node: VirtualNode, images: VirtualNodeImages, plugin_image: str | None) -> dict[str, Any]:
    """Return the values.

    Args:
        node: the virtual node.
        images: images, by the site's mirrors.
        plugin_image: image of the Slurm plugin, by the site's mirrors.
    """
    values: dict[str, Any] = {
        "nodeName": node.name,
        "virtualNode": {
            "image": images.kubelet,
            "resources": {
                "CPUs": node.capacity.cpu_cores,
                "memGiB": node.capacity.memory_gib,
                "pods": node.capacity.pods,
            },
            "HTTP": {"insecure": False, "CACert": ""},
            "disableCSR": True,
            "network": {
                "enableTunnel": True,
                "wildcardDNS": wildcard_dns(node),
                "customTemplate": tunnel_template(node, images),
                "wstunnelCommand": TUNNEL_COMMAND,
            },
        },
    }
    match node.api:
        case HttpsApi():
            return {**values, "interlink": _remote(node.api.url, certificate=True)}
        case OAuth2Api():
            return {**values, "interlink": _remote(node.api.url, certificate=False), "OAUTH": _tokens(node.api, images)}
        case SocketApi():
            return {**values, **_inside(node, node.api, images, plugin_image)}


def scripts_config_map(node: VirtualNode) -> dict[str, Any]:
    """Return the ConfigMap with the plugin's scripts, which the chart has no key for."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{node.name}-scripts", "namespace": node.namespace},
        "data": scripts(node),
    }


def _remote(url: str, *, certificate: bool) -> dict[str, Any]:
    scheme, host, port = endpoint(url)
    own = {"certFile": f"{_CERTIFICATES_FOLDER}/tls.crt", "keyFile": f"{_CERTIFICATES_FOLDER}/tls.key"}
    return {
        "enabled": False,
        "address": f"{scheme}://{host}",
        "port": port,
        "disableProjectedVolumes": True,
        "tls": {
            "enabled": True,
            **(own if certificate else {"certFile": "", "keyFile": ""}),
            "caCertFile": f"{_CERTIFICATES_FOLDER}/ca.crt",
        },
    }


def _tokens(api: OAuth2Api, images: VirtualNodeImages) -> dict[str, Any]:
    """Return the values of the chart's own container for tokens, but for the client's secret, which is in no file."""
    return {
        "enabled": True,
        "image": images.refresh,
        "TokenURL": api.token_url,
        "ClientID": api.client_id,
        "GrantType": "client_credentials",
        "Audience": api.audience,
    }


def _inside(node: VirtualNode, api: SocketApi, images: VirtualNodeImages, plugin_image: str | None) -> dict[str, Any]:
    mounts = [
        {"name": f"claim-{each.claim}", "mountPath": each.path, "readOnly": each.read_only} for each in api.mounts
    ]
    claims = dict.fromkeys(mount.claim for mount in api.mounts)
    config = {**slurm_config(node, folder=SCRIPTS_FOLDER), "Socket": _PLUGIN_SOCKET}
    environment = {"SLURMCONFIGPATH": "/etc/interlink/plugin.yaml", **PLUGIN_ENVIRONMENT}
    return {
        "interlink": {
            "enabled": True,
            "image": images.api,
            "address": "http://127.0.0.1",
            "port": API_PORT,
            "disableProjectedVolumes": True,
            "exportPodData": False,
        },
        "plugin": {
            "enabled": True,
            "image": plugin_image,
            "command": list(api.plugin_command),
            "socket": _PLUGIN_SOCKET,
            "config": json.dumps(config, indent=2),
            "envs": [{"name": name, "value": value} for name, value in environment.items()],
            "extraVolumeMounts": [{"name": "scripts", "mountPath": SCRIPTS_FOLDER, "readOnly": True}, *mounts],
        },
        "extraVolumes": [
            {"name": "scripts", "configMap": {"name": f"{node.name}-scripts", "defaultMode": 0o555}},
            *({"name": f"claim-{claim}", "persistentVolumeClaim": {"claimName": claim}} for claim in claims),
        ],
    }
