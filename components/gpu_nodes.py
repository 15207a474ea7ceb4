"""Labels of GPU nodes, where no node or GPU feature discovery sets them."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from stacks.schema.site import NodeLabels


@dataclass(frozen=True, kw_only=True)
class GpuNodesArgs:
    """Which nodes get which labels."""

    node_labels: tuple[NodeLabels, ...]
    """Only of the stack that owns the cluster's singletons: two stacks that set one label would fight over it."""


class GpuNodes(SonicComponent):
    """Server-side apply patches of nodes. They own the labels that they set and nothing else of the node.

    Each node is read first. A patch of a node that does not exist would make one, a ghost with status Unknown that
    outlives the patch; the read fails instead, at preview already, and names the node.
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
