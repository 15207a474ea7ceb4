"""The provider's own settings: which cluster, which defaults, or a directory to render to."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.provider import kubeconfig
from devcluster.provider.errors import ProviderError
from devcluster.provider.wire import UNKNOWN, reveal

_SETTINGS = frozenset(
    {
        "cluster",
        "clusterIdentifier",
        "context",
        "deleteUnreachable",
        "enableConfigMapMutable",
        "enableSecretMutable",
        "kubeconfig",
        "namespace",
        "renderYamlToDirectory",
        "version",
    }
)
_CLUSTER_KEYS = ("kubeconfig", "context", "cluster")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the program (or the environment) set on the provider; the defaults are the official plugin's."""

    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    render_directory: Path | None = None
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    delete_unreachable: bool = False


def read_settings(arguments: Mapping[str, Any]) -> Settings:
    """Settings from the provider's inputs, in which the engine sends whatever is no string as JSON."""
    given = reveal(dict(arguments))
    directory = given.get("renderYamlToDirectory")
    return Settings(
        kubeconfig=_kubeconfig_text(given.get("kubeconfig")),
        context=given.get("context") or None,
        cluster=given.get("cluster") or None,
        namespace=given.get("namespace") or None,
        render_directory=Path(directory) if directory else None,
        mutable_config_maps=_is_true(given.get("enableConfigMapMutable")),
        mutable_secrets=_is_true(given.get("enableSecretMutable")),
        delete_unreachable=_is_true(given.get("deleteUnreachable")),
    )


def _is_true(value: Any) -> bool:
    return value is True or value == "true"


def _kubeconfig_text(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, dict) else value or None


def config_failures(news: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Setting and reason for each one that cannot be accepted; what the stand-in lacks is refused, never ignored."""
    given = reveal(dict(news))
    unknown = sorted(key for key in given if key not in _SETTINGS and not key.startswith("__"))
    failures = [
        (key, f"the provider stand-in does not implement {key!r}: leave it out, or install the official plugin")
        for key in unknown
        if not (key == "enableServerSideApply" and _is_true(given[key]))
    ]
    if given.get("renderYamlToDirectory"):
        failures += [
            (key, f'"{key}" arg is not compatible with "renderYamlToDirectory" arg')
            for key in _CLUSTER_KEYS
            # The SDK fills kubeconfig in from the environment; that one may stay.
            if given.get(key) and not (key == "kubeconfig" and given[key] == os.environ.get("KUBECONFIG"))
        ]
    return failures


@dataclass(frozen=True)
class ConfigDifference:
    """Changed settings, and those of them for which every resource must be replaced."""

    diffs: tuple[str, ...]
    replaces: tuple[str, ...]


def config_difference(olds: Mapping[str, Any], news: Mapping[str, Any]) -> ConfigDifference:
    """Compare settings. Another cluster replaces everything, unless an unchanged `clusterIdentifier` vouches for it."""
    old, new = reveal(dict(olds)), reveal(dict(news))
    diffs = tuple(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))
    unknown = tuple(key for key in _CLUSTER_KEYS if new.get(key) is UNKNOWN)
    replaces = tuple(
        key
        for key in diffs
        if key == "renderYamlToDirectory"
        or (key == "clusterIdentifier" and old.get(key) and new.get(key))
        or key in unknown
        or (key in _CLUSTER_KEYS and not unknown and _is_other_cluster(old, new))
    )
    vouched = new.get("clusterIdentifier") and new["clusterIdentifier"] == old.get("clusterIdentifier")
    return ConfigDifference(diffs, () if vouched else replaces)


def _is_other_cluster(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    before, after = _cluster_entry(old), _cluster_entry(new)
    return before is not None and after is not None and before != after


def _cluster_entry(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    settings = read_settings(arguments)
    try:
        config, _directory = kubeconfig.load(settings.kubeconfig)
        return kubeconfig.active_cluster(config, settings.context, settings.cluster)
    except ProviderError:
        return None
