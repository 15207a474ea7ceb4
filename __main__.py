"""`pulumi up --stack STACK`: from the name of a stack to the address that its clients call."""

import os

import pulumi

from access.kubeconfig import find_context
from components.provider import kubernetes_provider
from components.site_stack import SiteStack, SiteStackArgs
from diagnosis.hooks import cluster_hooks
from fit.preview import ask_beside
from stacks.errors import ConfigurationError
from stacks.resolve import config_digest, refuse_other_values, resolve
from stacks.self_test import self_test_files
from stacks.stack_file import KEYS


def deploy(stack: str) -> None:
    """Resolve a stack, make it, and export what its clients need."""
    resolved = resolve(stack)
    refuse_other_values(resolved, {key: pulumi.Config("sonic").get(key) for key in KEYS})
    config = resolved.config
    context = find_context(config.site.access, os.environ)
    provider = kubernetes_provider(context, identity=config.site.access.context)
    hooks = cluster_hooks(context, stack=stack, namespace=config.namespace, instance=config.name)
    if pulumi.runtime.is_dry_run():
        pulumi.Output.from_input(ask_beside(stack, warn=pulumi.warn, refuse=pulumi.RunError))
    secrets = {name: pulumi.Config("sonic").require_secret(name) for name in config.secret_names}
    self_tests = self_test_files(config.experiment.models)
    args = SiteStackArgs(config=config, secrets=secrets, hooks=hooks, self_tests=self_tests)
    site_stack = SiteStack(config.name, args, pulumi.ResourceOptions(provider=provider))
    for name, value in {**site_stack.exports(), "config_digest": config_digest(config)}.items():
        pulumi.export(name, value)


try:
    deploy(pulumi.get_stack())
except ConfigurationError as error:
    raise pulumi.RunError(str(error)) from None  # its sentences and no trace: the configuration is the user's
