"""What the checkpoint holds of an object: the live object, the checked inputs, and two facts of its creation.

- `apiVersion`, `kind`, `metadata`, `spec`, ...: the object as the server returned it;
- `__inputs`: what Check returned;
- `__initialApiVersion`, e.g. `apps/v1`;
- `__fieldManager`, e.g. `pulumi-kubernetes-1a2b3c4d`: chosen at creation, kept for the object's life.
"""

from typing import Any

from devcluster.provider.names import new_field_manager
from devcluster.provider.wire import mark_secrets, reveal

INPUTS = "__inputs"
INITIAL_API_VERSION = "__initialApiVersion"
FIELD_MANAGER = "__fieldManager"
_FIELD_MANAGER_ANNOTATION = "pulumi.com/patchFieldManager"
_EXTENSION = "x-kubernetes-"
_EXTENSION_PROPERTY = "x_kubernetes_"


def to_manifest(properties: dict[str, Any]) -> dict[str, Any]:
    """The Kubernetes object that the properties describe: no secret marks, `x-kubernetes-*` with dashes again."""
    manifest: dict[str, Any] = _rename(reveal(properties), to_property=False)
    return manifest


def to_properties(manifest: dict[str, Any]) -> dict[str, Any]:
    """Inverse of `to_manifest`, but for the secret marks; SDKs know `x-kubernetes-*` by names with underscores."""
    properties: dict[str, Any] = _rename(manifest, to_property=True)
    return properties


def _rename(value: Any, *, to_property: bool) -> Any:
    if isinstance(value, list):
        return [_rename(item, to_property=to_property) for item in value]
    if not isinstance(value, dict):
        return value
    return {_name(key, to_property): _rename(item, to_property=to_property) for key, item in value.items()}


def _name(key: str, to_property: bool) -> str:
    if to_property and key.startswith(_EXTENSION):
        return key.replace("-", "_")
    if not to_property and key.startswith(_EXTENSION_PROPERTY):
        return key.replace("_", "-")
    return key


def checkpoint(
    inputs: dict[str, Any], live: dict[str, Any], given: dict[str, Any], api_version: str, field_manager: str
) -> dict[str, Any]:
    """The state of an object. `given` are the inputs as received, which tell what is secret."""
    return {
        **mark_secrets(to_properties(live), given),
        INPUTS: mark_secrets(to_properties(inputs), given),
        INITIAL_API_VERSION: api_version,
        FIELD_MANAGER: field_manager,
    }


def parse_checkpoint(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The checked inputs and the live object of a state."""
    live = to_manifest(state)
    inputs = live.pop(INPUTS, {})
    live.pop(INITIAL_API_VERSION, None)
    live.pop(FIELD_MANAGER, None)
    return inputs, live


def initial_api_version(state: dict[str, Any], inputs: dict[str, Any]) -> str:
    """The apiVersion under which the object was created."""
    return str(state.get(INITIAL_API_VERSION) or inputs.get("apiVersion", ""))


def field_manager(state: dict[str, Any], inputs: dict[str, Any]) -> str:
    """Who owns our fields under server-side apply: by annotation, else as before, else a new name."""
    annotations = (inputs.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(_FIELD_MANAGER_ANNOTATION) or state.get(FIELD_MANAGER) or new_field_manager())


def prune(live: Any, shape: Any) -> Any:
    """What `live` says about the fields that `shape` states.

    An empty or zero value that the live object lacks counts as present: the server leaves such values out.
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        return {
            key: prune(live[key], stated) if key in live else stated
            for key, stated in shape.items()
            if key in live or stated in ("", 0, False, [], {})
        }
    if isinstance(live, list) and isinstance(shape, list):
        return [prune(item, stated) for item, stated in zip(live, shape, strict=False)]
    return live
