"""The node's own link, the pods' bridge and what else of the network belongs to the cluster."""

import json
import subprocess
from typing import Any

from devcluster.addresses import CLUSTER_NAME, NODE_ADDRESS, NODE_LINK, NODE_NETWORK, POD_BRIDGE, POD_NETWORK
from devcluster.paths import RUN

OWN_LINKS = (NODE_LINK, POD_BRIDGE)


def create_node_link() -> None:
    """Give the node its address, on a bridge without ports: unlike a dummy link, every kernel with CNI has that."""
    if NODE_LINK not in {link["ifname"] for link in _links()}:
        _ip("link", "add", NODE_LINK, "type", "bridge")
    _ip("address", "replace", f"{NODE_ADDRESS}/{NODE_NETWORK.partition('/')[2]}", "dev", NODE_LINK)
    _ip("link", "set", NODE_LINK, "up")


def own_links() -> list[str]:
    """Our two bridges, and the host ends of the pods' links, which hang on the second."""
    return [link["ifname"] for link in _links() if link["ifname"] in OWN_LINKS or link.get("master") == POD_BRIDGE]


def remove_own_links() -> None:
    """Delete them; the pods' end of a link goes with the host's end."""
    for name in own_links():
        _ip("link", "delete", name)


def cni_configuration() -> dict[str, Any]:
    """The CNI network list: one bridge for all pods, addresses from a local file, hostPorts, and leave to forward.

    The `firewall` plugin matters where another program (Docker) set the policy of FORWARD to DROP.
    """
    return {
        "cniVersion": "1.0.0",
        "name": CLUSTER_NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": POD_BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,  # a pod that reaches itself through its Service
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(RUN / "cni"),  # a lease must not outlive the pod's network namespace
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
            {"type": "firewall", "backend": "iptables"},
        ],
    }


def _links() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(_ip("-json", "link", "show"))
    return links


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
