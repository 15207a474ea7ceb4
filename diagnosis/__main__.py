"""`python -m diagnosis STACK`, which `python -m stacks why` starts: tell what is wrong with a deployed stack."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi

from access.cluster import ClusterError
from access.kubeconfig import find_context
from access.kubectl_proxy import kubectl_proxy
from diagnosis.autoscaling import scaling_lines
from diagnosis.cause import Cause
from diagnosis.envoy_view import EnvoyView, ask_envoys, view_lines
from diagnosis.report import causes
from diagnosis.snapshot import Snapshot, take
from rendering.manifests import manifests
from stacks.errors import ConfigurationError
from stacks.resolve import ROOT, resolve
from stacks.schema import StackConfig


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Print the causes of one stack's failures; return 0 if there are none."""
    stack = arguments[0]
    try:
        config = resolve(stack, root).config
        context = find_context(config.site.access, os.environ)
        with kubectl_proxy(context) as view:
            snapshot = take(view, namespace=config.namespace, instance=config.name)
            envoys = ask_envoys(context, snapshot, config.namespace)
            found = causes(snapshot, config, manifests(config), envoys)
    except (ConfigurationError, ClusterError, pulumi.RunError) as error:
        print(error, file=sys.stderr)
        return 1
    print(_text(config, snapshot, envoys, found))
    return 1 if found else 0


def _text(config: StackConfig, snapshot: Snapshot, envoys: Sequence[EnvoyView], found: Sequence[Cause]) -> str:
    lines = [f"stack {config.stack}: {config.name} in namespace {config.namespace}"]
    for deployment in snapshot.deployments:
        status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
        lines.append(f"  {deployment['metadata']['name']}: {status.get('availableReplicas', 0)} of {wanted} pods ready")
    lines += [f"  {line}" for line in (*view_lines(snapshot, envoys), *scaling_lines(snapshot))]
    if not found:
        return "\n".join(
            [*lines, "", f"the cluster shows no fault; ask as a client: python -m acceptance {config.stack}"]
        )
    for cause in found:
        lines += ["", *cause.lines()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
