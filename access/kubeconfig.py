"""The kubeconfig and the context of a site's cluster, read as kubectl reads them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks.errors import ConfigurationError, Problem
from stacks.schema.site import Access

CONTEXT_VARIABLE = "SONIC_KUBE_CONTEXT"
"""Environment variable with a context that is used instead of the site's: a cluster of one's own."""

RENDER_VARIABLE = "SONIC_RENDER_DIRECTORY"
"""Environment variable that is refused: who sets it expects that no cluster is changed."""

_SECTIONS = {"contexts": "context", "clusters": "cluster", "users": "user"}
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, kw_only=True)
class KubeContext:
    """A context that exists, with its cluster and its user."""

    kubeconfig: Path | None
    """File of the site. None: the files of KUBECONFIG, else ~/.kube/config, which the plugin merges itself."""
    name: str
    """Name of the context."""

    @property
    def kubectl_flags(self) -> list[str]:
        """Flags by which kubectl uses this context."""
        file = [] if self.kubeconfig is None else [f"--kubeconfig={self.kubeconfig}"]
        return [*file, f"--context={self.name}"]


@dataclass(frozen=True)
class _Entry:
    """An entry of a kubeconfig, with the file that it is in."""

    file: Path
    value: dict[str, Any]


_Merged = Mapping[str, Mapping[str, _Entry]]
"""Section -> name -> entry."""


def find_context(access: Access, environ: Mapping[str, str]) -> KubeContext:
    """Find the context of a site, or of the environment, in the site's kubeconfig, KUBECONFIG or ~/.kube/config.

    As for kubectl, files of KUBECONFIG may be missing, the first entry of a name counts, and a context, its cluster and
    its user may be in different files. The files are read, and no cluster is asked.

    Raises:
        ConfigurationError: there is no file, one is not a kubeconfig, none has the context, its cluster or its user, or
            the environment asks for rendering.
    """
    if environ.get(RENDER_VARIABLE):
        sentence = (
            f"found {environ[RENDER_VARIABLE]}: pulumi deploys to a cluster and never renders: unset it to deploy, "
            "or render with python -m stacks render STACK DIR"
        )
        raise ConfigurationError([Problem(RENDER_VARIABLE, sentence)])
    wanted = environ.get(CONTEXT_VARIABLE) or access.context
    candidates = _candidates(access, environ)
    files = [path for path in candidates if path.exists()]
    if not files:
        listed = ", ".join(map(str, candidates)) or "KUBECONFIG, which names no file"
        raise _problem(
            f"found no kubeconfig at {listed}: it says how the cluster is reached: set KUBECONFIG to one that exists"
        )
    merged = _merged(files)
    if wanted not in merged["contexts"]:
        listed = "; ".join(f"{path} has {_names(merged, path)}" for path in files)
        raise _problem(
            f"found no context `{wanted}` ({listed}): the stack is deployed to that context and to no other: "
            f"set KUBECONFIG to a file that has it, or {CONTEXT_VARIABLE} to the context that is meant",
            ".context",
        )
    _check_entries(merged, wanted)
    site_file = None if access.kubeconfig is None else Path(access.kubeconfig)
    if site_file is not None:
        _check_paths(merged, site_file)
    return KubeContext(name=wanted, kubeconfig=site_file)


def _problem(sentence: str, key: str = "") -> ConfigurationError:
    return ConfigurationError([Problem(f"site.access{key}", sentence)])


def _candidates(access: Access, environ: Mapping[str, str]) -> list[Path]:
    if access.kubeconfig is not None:
        return [Path(access.kubeconfig)]
    listed = environ.get("KUBECONFIG", "")
    if listed:
        return [Path(path) for path in dict.fromkeys(listed.split(os.pathsep)) if path]
    return [Path(environ.get("HOME", "/")) / ".kube/config"]


def _merged(files: list[Path]) -> _Merged:
    merged: dict[str, dict[str, _Entry]] = {section: {} for section in _SECTIONS}
    for file in files:
        for section, entries in _read(file).items():
            merged[section] = {**entries, **merged[section]}
    return merged


def _read(file: Path) -> _Merged:
    try:
        content = yaml.safe_load(file.read_text()) or {}
        return {section: _section(content.get(section) or [], key, file) for section, key in _SECTIONS.items()}
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise _problem(
            f"{file} is no kubeconfig that can be read ({type(error).__name__}): set KUBECONFIG to one that is"
        ) from error


def _section(entries: list[dict[str, Any]], key: str, file: Path) -> dict[str, _Entry]:
    named = {entry["name"]: _Entry(file, dict(entry.get(key) or {})) for entry in entries}
    if len(named) != len(entries):
        raise _problem(f"{file} has two {key}s of one name, which kubectl refuses too: remove one")
    return named


def _names(merged: _Merged, file: Path) -> str:
    return ", ".join(name for name, entry in merged["contexts"].items() if entry.file == file) or "none"


def _check_entries(merged: _Merged, wanted: str) -> None:
    context = merged["contexts"][wanted]
    for section in ("clusters", "users"):
        key = _SECTIONS[section]
        name = context.value.get(key) or ""
        if name not in merged[section]:
            known = ", ".join(merged[section]) or "none"
            raise _problem(
                f"{context.file}: the context `{wanted}` is of {key} `{name}`, and the kubeconfigs have {known}: "
                f"add the {key}, or set KUBECONFIG to all the files that kubectl is used with",
                ".context",
            )


def _check_paths(merged: _Merged, file: Path) -> None:
    """Refuse relative paths: kubectl resolves them against the file, and the plugin against its working directory."""
    for section in ("clusters", "users"):
        for name, entry in merged[section].items():
            for key in _PATHS:
                path = entry.value.get(key)
                if path and not Path(path).is_absolute():
                    raise _problem(
                        f"{file}: {_SECTIONS[section]} `{name}` has {key} `{path}`, relative to its file: "
                        "write an absolute path, or leave site.access.kubeconfig out and set KUBECONFIG",
                        ".kubeconfig",
                    )
