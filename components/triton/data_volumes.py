"""Volumes of the site, besides the models, in a server's pod."""

from collections.abc import Mapping, Sequence
from typing import Any

from stacks.schema.server import DataMount
from stacks.schema.storage import DataClaim, DataHostPath


def volumes(mounts: Sequence[DataMount], offered: Mapping[str, DataClaim | DataHostPath]) -> list[dict[str, Any]]:
    """Return the pod's volumes, each once however often it is mounted."""
    return [{"name": _name(volume), **_source(offered[volume])} for volume in dict.fromkeys(m.volume for m in mounts)]


def volume_mounts(mounts: Sequence[DataMount]) -> list[dict[str, Any]]:
    """Return the container's mounts. File systems that a node mounts later appear in the server too."""
    return [
        {
            "name": _name(mount.volume),
            "mountPath": mount.path,
            "readOnly": True,
            "mountPropagation": "HostToContainer",
            **({"subPath": mount.sub_path} if mount.sub_path else {}),
        }
        for mount in mounts
    ]


def _source(data: DataClaim | DataHostPath) -> dict[str, Any]:
    match data:
        case DataClaim(claim=claim):
            return {"persistentVolumeClaim": {"claimName": claim}}
        case DataHostPath(path=path):
            return {"hostPath": {"path": path, "type": "Directory"}}


def _name(volume: str) -> str:
    return f"data-{volume}"
