"""renderYamlToDirectory: each resource as a file, no cluster asked or changed.

Patch resources are rendered as the plain kind with only the patched fields: leave those files out of `kubectl apply`.
Secrets are written in clear, as the official plugin writes them.
"""

from pathlib import Path
from typing import Any

import yaml

_CRD_DIRECTORY = "0-crd"
_MANIFEST_DIRECTORY = "1-manifest"


def rendered_path(directory: Path, manifest: dict[str, Any]) -> Path:
    """`1-manifest/<apiVersion>-<kind>-<namespace>-<name>.yaml`; definitions of custom resources in `0-crd/`."""
    metadata = manifest["metadata"]
    folder = _CRD_DIRECTORY if manifest["kind"] == "CustomResourceDefinition" else _MANIFEST_DIRECTORY
    api_version = manifest["apiVersion"].replace("/", "_")
    namespace = metadata.get("namespace") or "default"
    name = metadata["name"].replace("/", "_").replace(":", "_")
    return directory / folder / f"{api_version}-{manifest['kind'].lower()}-{namespace}-{name}.yaml"


def write(directory: Path, manifest: dict[str, Any]) -> Path:
    """Write the manifest's file, readable by this user only (0700 directories, 0600 files); its path."""
    for folder in (_CRD_DIRECTORY, _MANIFEST_DIRECTORY):
        (directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    path = rendered_path(directory, manifest)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(manifest, sort_keys=True))
    return path


def remove(directory: Path, manifest: dict[str, Any]) -> None:
    """Remove the manifest's file; one that is gone already is fine."""
    rendered_path(directory, manifest).unlink(missing_ok=True)
