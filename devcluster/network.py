"""The node's own link, the pods' bridge and the CNI network."""

import subprocess
from pathlib import Path
from typing import Any

from devcluster.addresses import (
    CLUSTER_NAME,
    NODE_ADDRESS,
    NODE_LINK,
    NODE_NETWORK,
    POD_BRIDGE,
    POD_NETWORK,
    SERVICE_NETWORK,
)
from devcluster.errors import DevClusterError
from devcluster.paths import RUN

LINKS = Path("/sys/class/net")
OWN_LINKS = (NODE_LINK, POD_BRIDGE)


def create_node_link() -> None:
    """Give the node its address, on a bridge without ports: every kernel with CNI has bridges, not so dummy links."""
    if not (LINKS / NODE_LINK).exists():
        _ip("link", "add", NODE_LINK, "type", "bridge")
    _ip("address", "replace", f"{NODE_ADDRESS}/{NODE_NETWORK.partition('/')[2]}", "dev", NODE_LINK)
    _ip("link", "set", NODE_LINK, "up")
    # kube-proxy refuses calls to a Service without endpoints, but the `firewall` plugin lets pods out before that:
    # the calls would leave the machine by its default route, and a stranger might answer them.
    _ip("route", "replace", SERVICE_NETWORK, "dev", NODE_LINK)


def own_links() -> list[str]:
    """Return our two bridges, and the host ends of the pods' links, which are ports of the second."""
    links = sorted(LINKS.iterdir())
    return [link.name for link in links if link.name in OWN_LINKS or _bridge_of(link) == POD_BRIDGE]


def remove_own_links() -> None:
    """Delete `own_links`; the pods' end of a link goes with the host's end.

    Raises:
        DevClusterError: the kernel refuses.
    """
    for name in own_links():
        result = subprocess.run(["ip", "link", "delete", name], capture_output=True, text=True, check=False)
        # The kernel takes a link away by itself, a moment after its network namespace.
        if result.returncode != 0 and (LINKS / name).exists():
            msg = f"link {name} cannot be deleted: {result.stderr.strip()}; see `ip link show {name}`"
            raise DevClusterError(msg)


def cni_configuration() -> dict[str, Any]:
    """Return the CNI network list: one bridge for all pods, addresses from a local file, hostPorts.

    The `firewall` plugin lets pods out where another program (Docker) set the policy of FORWARD to DROP.
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


def _bridge_of(link: Path) -> str:
    return (link / "master").readlink().name if (link / "master").is_symlink() else ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
