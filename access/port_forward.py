"""A port of a pod on this machine, by `kubectl port-forward`, to which no NetworkPolicy applies."""

import re
import selectors
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from access.cluster import UnreachableError
from access.kubeconfig import KubeContext

FORWARD_SECONDS = 30.0
"""Longest time until a port is forwarded."""


@contextmanager
def forwarded_port(context: KubeContext, namespace: str, pod: str, port: int) -> Iterator[int]:
    """Give the port of 127.0.0.1 that leads to a pod's.

    Raises:
        UnreachableError: there is no kubectl, or the port cannot be forwarded.
    """
    target = [f"--namespace={namespace}", "port-forward", f"pod/{pod}", "--address=127.0.0.1", f":{port}"]
    command = ["kubectl", *context.kubectl_flags, *target]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError as error:
        msg = "kubectl is not on PATH: install it"
        raise UnreachableError(msg) from error
    try:
        yield _chosen_port(process)
    finally:
        process.terminate()
        process.communicate()


def _chosen_port(process: "subprocess.Popen[str]") -> int:
    """Return the port that kubectl has chosen, which it writes as `Forwarding from 127.0.0.1:PORT -> 8001`."""
    output: Any = process.stdout
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        line = str(output.readline()) if selector.select(FORWARD_SECONDS) else ""
    found = re.match(r"Forwarding from \S+:([0-9]+) ->", line)
    if found is None:
        reason = line.strip() or f"kubectl has said nothing for {FORWARD_SECONDS:.0f} s"
        msg = f"no port is forwarded to it ({reason}): get the right to `create` `pods/portforward`"
        raise UnreachableError(msg)
    return int(found[1])
