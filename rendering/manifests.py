"""Run a stack's components against a monitor that keeps their manifests and sends them nowhere."""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from components.site_stack import SiteStack, SiteStackArgs
from rendering.event_loops import event_loops
from stacks.schema import StackConfig

Manifest = dict[str, Any]
"""A Kubernetes object, in Kubernetes' own camelCase."""

_HASH_LENGTH = 8


def placeholder(secret: str) -> str:
    """Return the text that is rendered instead of a secret's value, which cannot be decrypted offline."""
    return f"<value of the secret {secret}>"


def manifests(config: StackConfig, self_tests: Mapping[str, bytes] = MappingProxyType({})) -> list[Manifest]:
    """Return the Kubernetes objects of a stack, by kind, namespace and name: Pulumi creates them in any order.

    An object that Pulumi would name with a random suffix gets a hash of its content instead: a changed ConfigMap has a
    new name, and `kubectl apply` rolls the pods that mount it. Labels of nodes are left out, since they are merged into
    nodes that exist.

    Args:
        config: the stack.
        self_tests: files with requests for the servers' liveness.
    """
    kept = _KeptManifests()
    with event_loops():
        set_mocks(kept, project="rendering", stack=config.stack, preview=False)
        secrets = {name: pulumi.Output.from_input(placeholder(name)) for name in config.secret_names}
        args = SiteStackArgs(config=config, secrets=secrets, self_tests=self_tests, label_nodes=False)
        pulumi.runtime.test(lambda: SiteStack(config.name, args))()
    return sorted(kept.manifests, key=_place)


def _place(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


class _KeptManifests(Mocks):
    def __init__(self) -> None:
        self.manifests: list[Manifest] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.typ.startswith("kubernetes:"):
            return args.name, args.inputs
        manifest = _named(args.name, _plain(args.inputs))
        self.manifests.append(manifest)
        return manifest["metadata"]["name"], manifest

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        msg = f"{args.token} reads from a cluster, and rendering has none"
        raise AssertionError(msg)


def _named(name: str, inputs: Mapping[str, Any]) -> Manifest:
    metadata = dict(inputs["metadata"])
    if "name" not in metadata:
        content = json.dumps(inputs, sort_keys=True)
        metadata["name"] = f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:_HASH_LENGTH]}"
    return {**inputs, "metadata": metadata}


def _plain(value: Any) -> Any:
    """Undo what Pulumi's wire does to values: secrets are wrapped, and integers are floats."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
