"""`pulumi up --stack STACK`: from the name of a stack to the address that its clients call."""

import os

import pulumi

from access.kubeconfig import find_context
from components.provider import kubernetes_provider
from components.site_stack import SiteStack, SiteStackArgs
from stacks.errors import ConfigurationError, Problem
from stacks.resolve import config_digest, resolve
from stacks.schema import StackConfig


def deploy(stack: str) -> None:
    """Resolve a stack, make it, and export what its clients need."""
    config = resolve(stack).config
    _refuse_another_file(config)
    access = config.site.access
    provider = kubernetes_provider(find_context(access, os.environ), identity=access.context)
    secrets = {name: pulumi.Config("sonic").require_secret(name) for name in config.secret_names}
    args = SiteStackArgs(config=config, secrets=secrets)
    site_stack = SiteStack(config.name, args, pulumi.ResourceOptions(provider=provider))
    for name, value in site_stack.exports().items():
        pulumi.export(name, value)
    pulumi.export("config_digest", config_digest(config))


def _refuse_another_file(config: StackConfig) -> None:
    """Refuse names that Pulumi has from elsewhere, such as `--config-file`: the program reads the stack's own file."""
    names = {"site": config.site_name, "experiment": config.experiment_name, "instance": config.instance}
    for key, name in names.items():
        given = pulumi.Config("sonic").get(key)
        if given is not None and given != name:
            rule = f"must be `{name}` as in Pulumi.{config.stack}.yaml, the only file that the program reads"
            way_out = "leave out --config-file and `environment:`, or change that file"
            raise ConfigurationError([Problem(f"sonic:{key}", f"found `{given}` from Pulumi: {rule}: {way_out}")])


try:
    deploy(pulumi.get_stack())
except ConfigurationError as error:
    raise pulumi.RunError(str(error)) from None  # its sentences and no trace: the configuration is the user's
