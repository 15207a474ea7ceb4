"""Labels of GPU nodes, for clusters without node or GPU feature discovery."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from stacks.schema.site import NodeLabels


@dataclass(frozen=True, kw_only=True)
class GpuNodesArgs:
    """Nodes and their labels."""

    node_labels: tuple[NodeLabels, ...]
    """Empty but for the stack that owns the cluster's singletons: two stacks that set one label would fight over it."""


class GpuNodes(SonicComponent):
    """Server-side apply patches of nodes. They own the labels that they set and nothing else of the node.

    The program reads each node first. A patch of a missing node would create one with status Unknown, which outlives
    the patch. The read fails instead, already at preview, and names the node.
    """

    def __init__(self, name: str, args: GpuNodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        for labels in args.node_labels:
            node = k8s.core.v1.Node.get(self.child(labels.node), labels.node, opts=self.options())
            metadata: Manifest = {"name": labels.node, "labels": labels.labels}
            k8s.core.v1.NodePatch(
                self.child(f"{labels.node}-labels"), metadata=metadata, opts=self.options(depends_on=[node])
            )
        self.register_outputs({})
