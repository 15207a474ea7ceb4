"""The folder that manifests are rendered to: one file for each, all of one stack."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rendering.manifests import Manifest

_FIRST_KEYS = ("apiVersion", "kind", "metadata", "name", "namespace")
_NUMERIC_START = frozenset("+-.0123456789")


class ForeignFolderError(Exception):
    """The folder holds what was not rendered from the stack."""


def replace(directory: Path, stack: str, manifests: Sequence[Manifest]) -> list[Path]:
    """Write the manifests, remove the files of the stack's last rendering, return the new files.

    `kubectl apply -f` goes through a folder by the alphabet: the namespace is first.

    Raises:
        ForeignFolderError: the path is no folder, or holds anything else; nothing was changed.
    """
    head = f"# Rendered from stack `{stack}` by python -m stacks render.\n"
    stale = _of_stack(directory, head)
    directory.mkdir(parents=True, exist_ok=True)
    for file in stale:
        file.unlink()
    written = []
    for manifest in manifests:
        file = directory / _file_name(manifest)
        file.write_text(f"{head}{_yaml(manifest)}", encoding="utf-8")
        written.append(file)
    return written


def _of_stack(directory: Path, head: str) -> list[Path]:
    if not directory.exists():
        return []
    if not directory.is_dir():
        msg = f"{directory} is a file, and manifests are written to a folder: name another"
        raise ForeignFolderError(msg)
    files = sorted(directory.iterdir())
    for file in files:
        if not (file.is_file() and file.read_bytes().startswith(head.encode())):
            msg = (
                f"{directory} holds {file.name}, which was not rendered from this stack, and rendering replaces all "
                "that it finds: name an empty folder, or one that this stack was rendered to before"
            )
            raise ForeignFolderError(msg)
    return files


def _file_name(manifest: Manifest) -> str:
    order = 0 if manifest["kind"] == "Namespace" else 1
    name = ".".join(filter(None, (manifest["metadata"]["name"], manifest["metadata"].get("namespace"))))
    return f"{order}-{manifest['kind'].lower()}-{name}.yaml"


class _Dumper(yaml.SafeDumper):
    """PyYAML writes for YAML 1.1 and leaves `1e3` bare, which kubectl reads as a number."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  kubectl reads aliases, people do not
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if text[:1] in _NUMERIC_START else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _yaml(manifest: Manifest) -> str:
    text: str = yaml.dump(ordered(manifest), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


def ordered(value: Any) -> Any:
    """Put first the keys that people look for first, and the others by the alphabet."""
    if isinstance(value, list):
        return [ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: (_FIRST_KEYS.index(key) if key in _FIRST_KEYS else len(_FIRST_KEYS), key))
    return {key: ordered(value[key]) for key in keys}
