"""The one Kubernetes provider of a stack."""

from collections.abc import Mapping

import pulumi_kubernetes as k8s

from stacks.kubeconfig import find_context
from stacks.schema.site import Access

RENDER_DIRECTORY_VARIABLE = "SONIC_RENDER_DIRECTORY"
"""Environment variable with a directory: manifests are written there, and no cluster is asked or changed."""


def is_rendering(environ: Mapping[str, str]) -> bool:
    """Whether manifests are rendered to a directory."""
    return bool(environ.get(RENDER_DIRECTORY_VARIABLE))


def kubernetes_provider(access: Access, environ: Mapping[str, str]) -> k8s.Provider:
    """Make the provider for the site's context, or the one that renders.

    The context is what the provider takes for the cluster's identity, from the first deployment on: an API server that
    moves to another address or changes its certificate is still the same cluster, and nothing is replaced.

    A stack is either rendered or deployed. Rendered files hold its secrets in plain text.

    Raises:
        ConfigurationError: when no kubeconfig has the context.
    """
    if is_rendering(environ):
        return k8s.Provider("render", render_yaml_to_directory=environ[RENDER_DIRECTORY_VARIABLE])
    found = find_context(access, environ)
    return k8s.Provider(
        "cluster",
        kubeconfig=str(found.kubeconfig),
        context=found.name,
        cluster_identifier=found.name,
        enable_server_side_apply=True,
    )
