"""Virtual nodes for tests, and what interLink's virtual kubelet does with their templates."""

import json
import subprocess
from typing import Any

from components.tunnel import DRAIN_ANNOTATION, SECRET_ANNOTATION
from components.virtual_node import VirtualNodeImages
from stacks.schema.site import Images
from stacks.schema.virtual_nodes import VirtualNode
from tests.support.tools import tool

JOBS_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'J' * 43}"
HOST_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'H' * 43}"

SOCKET = {
    "kind": "socket",
    "plugin_image": "registry.example.org/slurm-plugin:0.6.2",
    "plugin_command": ["/start"],
    "mounts": [{"claim": "scratch", "path": "/scratch"}],
}
HTTPS = {"kind": "https", "url": "https://interlink.example.org:8443", "certificate_secret": "edge"}
OAUTH2 = {
    "kind": "oauth2",
    "url": "https://interlink.example.org:8443",
    "authorities_secret": "authorities",
    "issuer_url": "https://iam.example.org",
    "token_url": "https://iam.example.org/token",
    "client_id": "interlink",
    "client_secret": "client-secret",
    "audience": "interlink-edge",
    "subject": "interlink",
}
SSH = {
    "kind": "ssh",
    "session_cidrs": ["192.0.2.0/24"],
    "private_key_file": "/home/sonic/.ssh/tunnel",
    "public_key": JOBS_KEY,
    "host_key_secret": "tunnel-host-key",
    "host_public_key": HOST_KEY,
}
WSTUNNEL = {
    "kind": "wstunnel",
    "domain": "tunnels.example.org",
    "tls_secret": "tunnels",
    "controller_namespace": "ingress-nginx",
    "client_file": "/opt/wstunnel",
    "client_sha256": "0123456789abcdef" * 4,
}
IMAGES = VirtualNodeImages.of("0.6.1", Images())


def virtual_node(**fields: Any) -> VirtualNode:
    """A node with the API in the virtual kubelet's pod and ssh tunnels; fields replace those of the same name."""
    node = {
        "name": "hammer",
        "interlink": "0.6.1",
        "namespace": "interlink",
        "deployed": True,
        "api": SOCKET,
        "tunnel": SSH,
        "slurm": {"cluster": "hammer", "data_folder": "/scratch/interlink"},
        "capacity": {"cpu_cores": 1000, "memory_gib": 4000, "pods": 100},
    }
    return VirtualNode.model_validate_json(json.dumps({**node, **fields}))


def executed(template: str) -> list[dict[str, Any]]:
    """Return the objects that the virtual kubelet makes for a pod `sonic-cms-triton-t4-6d5f-x2x2x` in `sonic-cms`."""
    name = "sonic-cms-triton-t4-6d5f-x2x2x"
    data = {
        "Name": f"wstunnel-{name}-sonic-cms",
        "Namespace": "sonic-cms",
        "RandomPassword": "0f" * 16,
        "WildcardDNS": "tunnels.example.org",
        "PodLabels": {
            "app.kubernetes.io/name": "sonic",
            "app.kubernetes.io/instance": "sonic-cms",
            "app.kubernetes.io/component": "triton",
            "sonic.fastmachinelearning.org/pool": "t4",
        },
        "PodAnnotations": {DRAIN_ANNOTATION: "90", SECRET_ANNOTATION: "sonic-cms-tunnel-keys"},
    }
    command = [str(tool("go-template"))]
    text = json.dumps({"template": template, "data": data})
    output = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    # As applyWstunnelManifests of pkg/virtualkubelet/virtualkubelet.go parts them.
    return [json.loads(document) for document in output.split("---")]
