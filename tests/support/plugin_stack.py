"""A stack of bare Kubernetes resources, declared by a test: the engine ring tries the plugin with it.

The program registers the resources of `resources.json` by type token and properties, without the typed SDK, whose
import would double the time of every command.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.credentials import KUBECONFIG
from devcluster.kubectl import Kubectl
from devcluster.toolchain.programs import KUBERNETES_PLUGIN_VERSION
from tests.support.pulumi_cli import PulumiProject, engine_environment

Manifest = dict[str, Any]

_PROGRAM = """
import json

import pulumi


class Cluster(pulumi.ProviderResource):
    pass


class Object(pulumi.CustomResource):
    pass


declared = json.load(open("resources.json"))
provider = Cluster("kubernetes", "cluster", declared["provider"], pulumi.ResourceOptions(version="VERSION"))
made = {}
for item in declared["resources"]:
    options = pulumi.ResourceOptions(provider=provider, **item["options"])
    options.depends_on = [made[name] for name in item["depends_on"]]
    properties = {
        key: pulumi.Output.secret(value) if key in item["secret"] else value
        for key, value in item["properties"].items()
    }
    made[item["name"]] = Object(item["token"], item["name"], properties, options)
"""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of the program: `options` are keywords of ResourceOptions, `secret` names secret properties."""

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


class PluginStack:
    """A project whose program a test declares, and a namespace of its own on the cluster.

    Args:
        directory: gets the program.
        kubectl: of the cluster.
    """

    def __init__(self, directory: Path, kubectl: Kubectl):
        self.kubectl = kubectl
        self.namespace = f"plugin-{uuid.uuid4().hex[:8]}"
        (directory / "Pulumi.yaml").write_text("name: plugin-test\nruntime: python\n")
        (directory / "__main__.py").write_text(_PROGRAM.replace("VERSION", KUBERNETES_PLUGIN_VERSION.removeprefix("v")))
        self.project = PulumiProject(directory, engine_environment(KUBECONFIG))
        self.provider: dict[str, Any] = {"kubeconfig": str(KUBECONFIG)}

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

    def live(self, kind: str, name: str) -> Manifest:
        """The live object; empty if it is not there. A kind without namespace ignores the test's own."""
        return self.kubectl.get(kind, name, f"--namespace={self.namespace}")

    def create(self, manifest: Manifest) -> None:
        """Create an object as another actor."""
        self.kubectl.run("create", f"--namespace={self.namespace}", "--filename=-", stdin=json.dumps(manifest))

    def delete(self, kind: str, name: str) -> None:
        """Delete an object as another actor, unless it is gone, and do not wait."""
        scope = (f"--namespace={self.namespace}", "--ignore-not-found", "--wait=false")
        self.kubectl.run("delete", kind, name, *scope)

    def apply_as(self, manager: str, api_version: str, kind: str, name: str, **fields: Any) -> None:
        """Take or change fields of an object as another actor, by force."""
        metadata = {**fields.pop("metadata", {}), "name": name}
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        flags = ("--server-side", "--force-conflicts", f"--field-manager={manager}", f"--namespace={self.namespace}")
        self.kubectl.run("apply", *flags, "--filename=-", stdin=json.dumps(manifest))

    def scale_as_autoscaler(self, deployment: str, replicas: int) -> None:
        """Set the replicas of a Deployment through its scale, as the controller of a HorizontalPodAutoscaler does."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{deployment}/scale"
        scale = json.loads(self.kubectl.run("get", f"--raw={path}"))
        scale["spec"]["replicas"] = replicas
        manager = "fieldManager=kube-controller-manager"
        self.kubectl.run("replace", f"--raw={path}?{manager}", "--filename=-", stdin=json.dumps(scale))
