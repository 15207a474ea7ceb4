"""What a stack renders to, as files that a person reviews."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.recorder import Recorder

_FIRST = ("apiVersion", "kind", "metadata", "name", "namespace")
"""Keys that people look for first; the others follow by the alphabet."""


def render(recorder: Recorder) -> dict[str, str]:
    """Name of a file -> its text: `manifests.yaml`, and one for each configuration in JSON that a ConfigMap holds."""
    configurations: dict[str, str] = {}
    manifests = [_readable(manifest, configurations) for manifest in recorder.manifests()]
    patches = [
        {**resource.inputs, "kind": resource.type.rpartition(":")[2]}
        for resource in recorder.resources_by_urn.values()
        if resource.type.endswith("Patch")
    ]
    documents = [_yaml(_ordered(document)) for document in [*manifests, *patches]]
    return {"manifests.yaml": "---\n".join(documents), **configurations}


def _readable(manifest: Mapping[str, Any], configurations: dict[str, str]) -> dict[str, Any]:
    """Put the files of a ConfigMap beside the manifest: JSON as YAML, of any other text how long it is."""
    if manifest["kind"] != "ConfigMap":
        return dict(manifest)
    data = {}
    for key, text in manifest["data"].items():
        try:
            name = f"{key.rpartition('.')[0]}.yaml"
            configurations[name] = _yaml(json.loads(text))
            data[key] = f"see {name}"
        except json.JSONDecodeError:
            data[key] = f"{len(text.splitlines())} lines"
    return {**manifest, "data": data}


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
    return {key: _ordered(value[key]) for key in keys}


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True)
    return text
