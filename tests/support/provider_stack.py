"""A stack of bare Kubernetes resources, declared by a test: what the provider's engine tests are written with.

The program registers what `resources.json` lists, by type token and properties, without the typed SDK, whose import
would double the time of every command.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.provider import kubeconfig
from devcluster.provider.api import APPLY, Api, ApiError
from tests.support.pulumi_cli import PulumiProject, engine_environment

Manifest = dict[str, Any]

_PROGRAM = """
import json

import pulumi


class Cluster(pulumi.ProviderResource):
    pass


class Object(pulumi.CustomResource):
    pass


def resolved(value):
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("id of "):
        return made[value.removeprefix("id of ")].id
    return value


declared = json.load(open("resources.json"))
provider = Cluster("kubernetes", "cluster", declared["provider"])
made = {}
for item in declared["resources"]:
    options = pulumi.ResourceOptions(provider=provider, **item["options"])
    options.depends_on = [made[name] for name in item["depends_on"]]
    properties = {
        key: pulumi.Output.secret(value) if key in item["secret"] else resolved(value)
        for key, value in item["properties"].items()
    }
    made[item["name"]] = Object(item["token"], item["name"], properties, options)
"""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of the program.

    `options` are keywords of ResourceOptions, `secret` names secret properties; a string `id of NAME` in the manifest
    becomes the id of that earlier resource, which a preview does not know yet.
    """

    name: str
    manifest: Manifest
    type: str
    options: dict[str, Any] = field(default_factory=dict)
    depends_on: Sequence[str] = ()
    secret: Sequence[str] = ()


def resource(name: str, api_version: str, kind: str, *, patch: bool = False, **fields: Any) -> Resource:
    """A resource of a kind; keywords of `Resource` are its own, all others are fields of the manifest."""
    own = {key: fields.pop(key) for key in ("options", "depends_on", "secret") if key in fields}
    group_version = api_version if "/" in api_version else f"core/{api_version}"
    token = f"kubernetes:{group_version}:{kind}{'Patch' if patch else ''}"
    return Resource(name=name, type=token, manifest={"apiVersion": api_version, "kind": kind, **fields}, **own)


class ProviderStack:
    """A project whose program a test declares, and the API server that it deploys to."""

    def __init__(self, directory: Path, kubeconfig_file: Path):
        self.api = Api(kubeconfig.access(str(kubeconfig_file)), on_deprecation=lambda _text: None)
        self.namespace = f"provider-{uuid.uuid4().hex[:8]}"
        (directory / "Pulumi.yaml").write_text("name: provider-test\nruntime: python\n")
        (directory / "__main__.py").write_text(_PROGRAM)
        self.project = PulumiProject(directory, engine_environment(kubeconfig_file))
        self.provider: dict[str, Any] = {"kubeconfig": str(kubeconfig_file)}

    def declare(self, *resources: Resource) -> PulumiProject:
        """Make these the program's resources; namespaced ones without namespace go to the test's own."""
        items = [
            {
                "name": item.name,
                "token": item.type,
                "properties": item.manifest,
                "options": dict(item.options),
                "depends_on": list(item.depends_on),
                "secret": list(item.secret),
            }
            for item in resources
        ]
        provider = {"namespace": self.namespace, **self.provider}
        document = {"provider": provider, "resources": items}
        (self.project.directory / "resources.json").write_text(json.dumps(document))
        return self.project

    def create_namespace(self) -> None:
        """Create the test's namespace, outside of the stack."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.api.request("POST", "/api/v1/namespaces", body)

    def delete_namespace(self) -> None:
        """Let the cluster delete the test's namespace and all in it."""
        try:
            self.api.request("DELETE", f"/api/v1/namespaces/{self.namespace}")
        except ApiError as error:
            if error.code != 404:
                raise

    def live(self, api_version: str, kind: str, name: str) -> Manifest:
        """The live object, in the test's namespace if its kind has one."""
        return self.api.get(self._named(api_version, kind, name))

    def exists(self, api_version: str, kind: str, name: str) -> bool:
        """Whether the object is there."""
        try:
            self.live(api_version, kind, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def apply_as(self, manager: str, api_version: str, kind: str, name: str, **fields: Any) -> Manifest:
        """Take or change fields of an object as another actor, by force."""
        manifest = {**self._named(api_version, kind, name), **fields}
        manifest["metadata"] = {**fields.get("metadata", {}), **self._named(api_version, kind, name)["metadata"]}
        query = {"fieldManager": manager, "force": "true"}
        return self.api.request("PATCH", self.api.path_of(manifest), manifest, query=query, content_type=APPLY)

    def _named(self, api_version: str, kind: str, name: str) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
