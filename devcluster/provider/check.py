"""Check: the inputs as they will be sent, compared and kept."""

import base64
from dataclasses import dataclass
from typing import Any

from devcluster.provider.errors import ProviderError
from devcluster.provider.names import adopt_name, assign_name
from devcluster.provider.wire import UNKNOWN

_READ_ONLY_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
    }
)


@dataclass(frozen=True)
class Naming:
    """What the engine says about names: its seed, its proposal, or that there are to be no autonames."""

    urn_name: str
    seed: bytes = b""
    proposed: str = ""
    disabled: bool = False


def check(
    manifest: dict[str, Any],
    old_inputs: dict[str, Any],
    *,
    is_patch: bool,
    naming: Naming,
    default_namespace: str,
) -> dict[str, Any]:
    """The checked inputs of a resource.

    Args:
        manifest: What the program asks for, in canonical form.
        old_inputs: Empty for a new object; else what Check returned last time, whose autoname is kept.
        is_patch: Whether the resource only patches an object that others own; it must then name it.
        default_namespace: For an object that names none; empty for kinds without a namespace.

    Raises:
        ProviderError: A list kind, a Patch without name, `generateName`, or no name where autonaming is off.
    """
    checked = without_read_only_metadata(_with_encoded_data(manifest))
    metadata = checked.get("metadata") or {}
    _refuse_unsupported(checked, metadata, is_patch)
    if old_inputs:
        adopt_name(checked, old_inputs)
    else:
        assign_name(
            checked,
            naming.urn_name,
            seed=naming.seed,
            proposed=naming.proposed,
            disabled=naming.disabled,
        )
    if default_namespace and not (checked.get("metadata") or {}).get("namespace"):
        checked["metadata"] = {**(checked.get("metadata") or {}), "namespace": default_namespace}
    return checked


def without_read_only_metadata(manifest: dict[str, Any]) -> dict[str, Any]:
    """A copy without the metadata that only the server writes."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return dict(manifest)
    kept = {key: value for key, value in metadata.items() if key not in _READ_ONLY_METADATA}
    return {**manifest, "metadata": kept}


def _refuse_unsupported(manifest: dict[str, Any], metadata: dict[str, Any], is_patch: bool) -> None:
    kind = manifest.get("kind", "")
    if kind.endswith("List") and "items" in manifest:
        msg = f"{kind} is a list, which cannot be created: use a resource for each of its items"
        raise ProviderError(msg)
    if is_patch and not metadata.get("name"):
        msg = f"a patch of a {kind} must set .metadata.name: say which object it patches"
        raise ProviderError(msg)
    if metadata.get("generateName") and not metadata.get("name"):
        msg = "the .metadata.generateName field is not supported with server-side apply: leave it out for an autoname"
        raise ProviderError(msg)


def _with_encoded_data(manifest: dict[str, Any]) -> dict[str, Any]:
    """A Secret's `stringData` moves into base64 `data`, as the server will do; unknown values wait for the update."""
    string_data = manifest.get("stringData")
    if (manifest.get("apiVersion"), manifest.get("kind")) != ("v1", "Secret") or not isinstance(string_data, dict):
        return manifest
    if UNKNOWN in string_data.values() or manifest.get("data") is UNKNOWN:
        return manifest
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in string_data.items()}
    rest = {key: value for key, value in manifest.items() if key != "stringData"}
    return {**rest, "data": {**(manifest.get("data") or {}), **encoded}}
