"""Every stack of the repository, rendered once for all tests."""

from functools import cache

import pulumi

from components.site_stack import SiteStack, SiteStackArgs
from stacks.resolve import ROOT, resolve
from stacks.schema import StackConfig
from stacks.stack_file import known_stacks
from tests.support.recorder import Recorder

STACKS = known_stacks(ROOT)
"""Names of the stacks, sorted."""


@cache
def config_of(stack: str) -> StackConfig:
    """The resolved configuration of a stack."""
    return resolve(stack).config


@cache
def recorded(stack: str) -> Recorder:
    """Return the resources of a stack, with the word `secret` for every secret."""
    return record(config_of(stack))


def record(config: StackConfig) -> Recorder:
    """Return the resources of a configuration."""
    recorder = Recorder()
    secrets = {name: pulumi.Output.secret("secret") for name in config.secret_names}
    args = SiteStackArgs(config=config, secrets=secrets)
    recorder.run(lambda: SiteStack(config.name, args), stack=config.stack)
    return recorder
