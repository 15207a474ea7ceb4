"""Every stack of the repository, rendered once for all tests."""

import json
from functools import cache
from typing import Any

import pulumi

from components.monitoring.configuration import RULES_FILE
from components.rollout import ClusterHooks
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


def record(config: StackConfig, hooks: ClusterHooks | None = None) -> Recorder:
    """Return the resources of a configuration."""
    recorder = Recorder()

    def program() -> None:
        secrets = {name: pulumi.Output.secret("secret") for name in config.secret_names}
        SiteStack(config.name, SiteStackArgs(config=config, secrets=secrets, hooks=hooks))

    recorder.run(program, stack=config.stack)
    return recorder


def rules_of(stack: str) -> list[dict[str, Any]]:
    """Return the rule groups of a stack, for its own Prometheus or for the operator's; none of an external one."""
    manifests = recorded(stack).manifests()
    own = [
        json.loads(each["data"][RULES_FILE])["groups"]
        for each in manifests
        if each["kind"] == "ConfigMap" and RULES_FILE in each["data"]
    ]
    of_operator = [each["spec"]["groups"] for each in manifests if each["kind"] == "PrometheusRule"]
    return [group for groups in (*own, *of_operator) for group in groups]
