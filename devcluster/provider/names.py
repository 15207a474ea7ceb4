"""Autonames: what an object is called when the program does not say."""

import hashlib
import secrets
from typing import Any

from devcluster.provider.errors import ProviderError
from devcluster.provider.wire import UNKNOWN

AUTONAMED_ANNOTATION = "pulumi.com/autonamed"
_HEX_DIGITS = 8


def assign_name(
    manifest: dict[str, Any], urn_name: str, *, seed: bytes, proposed: str = "", disabled: bool = False
) -> None:
    """Give an unnamed new object a name: the engine's proposal, or `<urn_name>-<8 hex>` from its seed."""
    if _is_named(manifest):
        return
    if disabled:
        msg = "autonaming is disabled, so the resource must set .metadata.name"
        raise ProviderError(msg)
    _set_autoname(manifest, proposed or f"{urn_name}-{_hex(seed)}")


def adopt_name(manifest: dict[str, Any], old_inputs: dict[str, Any]) -> None:
    """Keep the name of the object that stands, when it was autonamed and the program still does not name it."""
    if not _is_named(manifest) and is_autonamed(old_inputs):
        _set_autoname(manifest, old_inputs["metadata"]["name"])


def is_autonamed(manifest: dict[str, Any]) -> bool:
    """Whether the provider, not the program, named the object."""
    annotations = (manifest.get("metadata") or {}).get("annotations")
    return isinstance(annotations, dict) and annotations.get(AUTONAMED_ANNOTATION) == "true"


def new_field_manager() -> str:
    """A field manager's name, chosen once for each object and kept in its state."""
    return f"pulumi-kubernetes-{_hex(b'')}"


def _is_named(manifest: dict[str, Any]) -> bool:
    return bool((manifest.get("metadata") or {}).get("name"))


def _set_autoname(manifest: dict[str, Any], name: str) -> None:
    metadata = dict(manifest.get("metadata") or {})
    annotations = metadata.get("annotations")
    if annotations is not UNKNOWN:
        metadata["annotations"] = {**(annotations or {}), AUTONAMED_ANNOTATION: "true"}
    manifest["metadata"] = {**metadata, "name": name}


def _hex(seed: bytes) -> str:
    return hashlib.sha512(seed or secrets.token_bytes(32)).hexdigest()[:_HEX_DIGITS]
