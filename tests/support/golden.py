"""Rendered files of a stack, for review."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rendering.folder import ordered
from tests.support.recorder import Recorder


def render(recorder: Recorder) -> dict[str, str]:
    """Name of a file -> its text: `manifests.yaml`, and one for each configuration in JSON that a ConfigMap holds."""
    configurations: dict[str, str] = {}
    manifests = [_readable(manifest, configurations) for manifest in recorder.manifests()]
    patches = [
        {**resource.inputs, "kind": resource.type.rpartition(":")[2]}
        for resource in recorder.resources_by_urn.values()
        if resource.type.endswith("Patch")
    ]
    documents = [_yaml(ordered(document)) for document in [*manifests, *patches]]
    return {"manifests.yaml": "---\n".join(documents), **configurations}


def check(folder: Path, rendered: Mapping[str, str], *, update: bool) -> None:
    """Compare texts with the files of a folder, by name; with `update`, write them and delete every other file."""
    if update:
        folder.mkdir(exist_ok=True)
        for stale in folder.iterdir():
            stale.unlink()
        for name, text in rendered.items():
            (folder / name).write_text(text)
    golden = {path.name: path.read_text() for path in folder.glob("*")}
    way_out = "read the difference; if it is meant: pytest tests/golden --update-golden"
    assert rendered.keys() == golden.keys(), f"{folder}: {way_out}"
    for name, text in rendered.items():
        assert text == golden[name], f"{folder / name}: {way_out}"


def shape(value: Any) -> Any:
    """Return a configuration with the kind of each scalar instead of the scalar, except for names of extensions."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    if not isinstance(value, dict):
        return type(value).__name__
    return {key: item if key == "@type" else shape(item) for key, item in value.items()}


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


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True)
    return text
