"""The containers that keep a virtual kubelet's access token, where interLink's API takes tokens."""

from pathlib import Path
from typing import Any

import pulumi

from components.base import Manifest
from components.pod import CONTAINER_SECURITY, guaranteed
from components.virtual_node import token_refresh
from components.virtual_node.kubelet_config import CONFIG_FOLDER, TOKEN_FILE, TOKEN_FOLDER
from stacks.schema.remote_apis import OAuth2Api

PROGRAM_FILE = "token_refresh.py"
"""Key of the ConfigMap with the program."""
CLIENT_SECRET_KEY = "client-secret"  # noqa: S105  a name
"""Key of the Secret with the client's secret."""
_SECRET_FOLDER = "/etc/interlink-client"  # noqa: S105  a path
TOKEN_MOUNT: Manifest = {"name": "api-token", "mountPath": TOKEN_FOLDER, "readOnly": True}
"""Mount of the virtual kubelet."""


def program() -> str:
    """Return the program."""
    return Path(token_refresh.__file__).read_text(encoding="utf-8")


def token_container(api: OAuth2Api, image: str, *, once: bool) -> dict[str, Any]:
    """Return the container that keeps the token, or the one that waits for the first."""
    variables = {
        "TOKEN_URL": api.token_url,
        "CLIENT_ID": api.client_id,
        "AUDIENCE": api.audience,
        "CLIENT_SECRET_FILE": f"{_SECRET_FOLDER}/{CLIENT_SECRET_KEY}",
        "TOKEN_FILE": TOKEN_FILE,
    }
    return {
        "name": "first-token" if once else "token",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", f"{CONFIG_FOLDER}/{PROGRAM_FILE}", *(["once"] if once else [])],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": guaranteed({"cpu": "20m", "memory": "64Mi", "ephemeral-storage": "64Mi"}),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "client-secret", "mountPath": _SECRET_FOLDER, "readOnly": True},
            {**TOKEN_MOUNT, "readOnly": False},
        ],
    }


def token_volumes(client_secret: pulumi.Input[str]) -> list[dict[str, Any]]:
    """Return the volumes: the client's secret, and the memory that the token is in.

    Args:
        client_secret: name of the Secret with the client's secret.
    """
    return [
        {"name": "client-secret", "secret": {"secretName": client_secret, "defaultMode": 0o444}},
        {"name": "api-token", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
