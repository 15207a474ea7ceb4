"""The one Kubernetes provider of a stack."""

from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from access.kubeconfig import KubeContext


def kubernetes_provider(cluster: KubeContext) -> k8s.Provider:
    """Make the provider for a context.

    The context is the identity of the cluster, from the first deployment on: an API server that moves to another
    address or changes its certificate is still the same cluster, and nothing is replaced.

    Manifests are rendered without Pulumi's engine (`rendering`), never by another provider: to Pulumi a change of
    provider replaces each object, and it would delete the deployed ones.
    """
    is_path = isinstance(cluster.kubeconfig, Path)
    return k8s.Provider(
        "cluster",
        kubeconfig=str(cluster.kubeconfig) if is_path else pulumi.Output.secret(cluster.kubeconfig),
        context=cluster.name,
        cluster_identifier=cluster.name,
        enable_server_side_apply=True,
    )
