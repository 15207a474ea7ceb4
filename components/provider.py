"""The one Kubernetes provider of a stack."""

import pulumi_kubernetes as k8s

from access.kubeconfig import KubeContext


def kubernetes_provider(cluster: KubeContext, *, identity: str) -> k8s.Provider:
    """Make the provider for a context.

    `identity` is the cluster's name, from the first deployment on: an API server that moves to another address, or an
    operator whose kubeconfig has another name for the context, is no other cluster, and nothing is replaced.

    With an empty kubeconfig the plugin reads KUBECONFIG or ~/.kube/config as kubectl does. Pulumi's state then holds no
    credentials, and no path that only one operator has.

    Manifests are rendered without Pulumi's engine (`rendering`), never by another provider: to Pulumi a change of
    provider replaces each object, and it would delete the deployed ones.
    """
    return k8s.Provider(
        "cluster",
        kubeconfig=str(cluster.kubeconfig or ""),
        context=cluster.name,
        cluster_identifier=identity,
        enable_server_side_apply=True,
    )
