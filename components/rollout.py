"""The end of an update: it succeeds when the pods that the stack promises are ready, all of the new revision.

Pulumi's Kubernetes plugin cannot say so. It waits for a Deployment as long as it is told, also when its pods can never
start, and takes a scaled Deployment for done with one new pod. The Deployments are therefore not awaited by the plugin.
One ConfigMap is made after them, which names their revisions. A hook before it waits, and fails with the causes:
docs/adr, "The program waits for its rollouts".
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.labels import Labels

_NOT_AWAITED: Mapping[str, str] = {"pulumi.com/waitFor": "jsonpath={.metadata.uid}"}
"""The plugin takes the object for done when it exists. `skipAwait` would skip the wait for its deletion too."""


SMALL_IMAGE_PULL_SECONDS = 300
"""Longest time that a node takes to pull an image of some 100 MB."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Pods of a Deployment that an update promises."""

    deployment: str
    """Name of the Deployment."""
    pods_min: int
    """Fewest pods. An autoscaler may want more; the update then waits for as many."""
    autoscaled: bool = False
    """KEDA sets the number of pods, by a ScaledObject of the Deployment's name."""
    start_seconds: int
    """Longest time from the start of a pod's containers until it is ready."""
    pull_seconds: int
    """Longest time that a node takes to pull the image."""


@dataclass(frozen=True, kw_only=True)
class RolledOut:
    """A Deployment, and the revision that it is brought to."""

    promise: Promise
    """Pods that must be ready."""
    revision: pulumi.Output[str]
    """Digest of the pods' template; another one is another rollout."""

    @property
    def record(self) -> pulumi.Output[str]:
        """Text that changes when there is something to wait for: another template, or another number of pods."""
        return pulumi.Output.format("{0} of revision {1}", self.promise.pods_min, self.revision)


@dataclass(frozen=True, kw_only=True)
class ClusterHooks:
    """Work in the cluster between two steps of an update. Each raises pulumi.RunError with the causes of a failure."""

    await_pods: Callable[[Sequence[Promise], Callable[[str], None]], Awaitable[None]]
    """Wait until promises are kept, and tell what is missing meanwhile."""
    stop_autoscaler: Callable[[str], Awaitable[None]]
    """Pause the autoscaler of a Deployment, if it has one. Pulumi deletes it last; until then it would undo the fixed
    number of the update."""


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """The Deployments of a stack."""

    name: str
    """Name of the ConfigMap."""
    namespace: str
    """Namespace of the stack."""
    labels: Labels
    """Labels of the ConfigMap."""
    deployments: Sequence[RolledOut]
    """Deployments to wait for."""
    hooks: ClusterHooks
    """Waits in the cluster."""


class Rollout(SonicComponent):
    """The ConfigMap with the revisions whose pods became ready, and the hook that waits for them."""

    def __init__(self, name: str, args: RolloutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        hook = self._hook(args)
        k8s.core.v1.ConfigMap(
            self.child("record"),
            metadata={"name": args.name, "namespace": args.namespace, "labels": args.labels.all},
            data={each.promise.deployment: each.record for each in args.deployments},
            opts=self.options(hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])),
        )
        self.register_outputs({})

    def _hook(self, args: RolloutArgs) -> pulumi.ResourceHook:
        async def wait(_: pulumi.ResourceHookArgs) -> None:
            promises = [each.promise for each in args.deployments]
            await args.hooks.await_pods(promises, lambda text: pulumi.info(text, resource=self, ephemeral=True))

        return pulumi.ResourceHook(self.child("wait"), wait)


def not_awaited(metadata: Manifest) -> Manifest:
    """Return the metadata of an object that the plugin does not wait for: `Rollout` does, or nobody needs to."""
    return {**metadata, "annotations": {**metadata.get("annotations", {}), **_NOT_AWAITED}}


def revision_of(template: Manifest) -> pulumi.Output[str]:
    """Return a digest of a pod template, whose values may be outputs."""
    return pulumi.Output.json_dumps(template, sort_keys=True).apply(_digest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
