"""Address of a stack, from the outputs of its last deployment."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.errors import CheckError


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Address for clients."""

    address: str
    """`host:port`."""
    tls: bool
    """True: the port speaks TLS."""


def deployed_endpoint(stack: str, root: Path) -> Endpoint:
    """Ask Pulumi for the address of a stack.

    Raises:
        CheckError: Pulumi is missing, knows no such stack, or the stack is not deployed.
    """
    return endpoint_of(stack, deployed_outputs(stack, root))


def deployed_outputs(stack: str, root: Path) -> dict[str, Any]:
    """Ask Pulumi for the outputs of a stack.

    Raises:
        CheckError: Pulumi is missing, knows no such stack, or the stack is not deployed.
    """
    command = ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", stack]
    try:
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        msg = "`pulumi` is not on PATH: install it, or give the stack's address with --endpoint HOST:PORT"
        raise CheckError(msg) from error
    if run.returncode != 0:
        reason = (run.stderr.strip() or "no reason given").splitlines()[-1].removeprefix("error: ")
        msg = f"Pulumi gives no outputs of stack `{stack}` ({reason}): deploy it with `pulumi up --stack {stack}`"
        raise CheckError(msg)
    outputs: dict[str, Any] = json.loads(run.stdout)
    return outputs


def endpoint_of(stack: str, outputs: dict[str, Any]) -> Endpoint:
    """Return the address of a stack from its outputs.

    Raises:
        CheckError: the outputs name no endpoint.
    """
    if not outputs.get("grpc_endpoint"):
        msg = f"stack `{stack}` has no output `grpc_endpoint`: deploy it with `pulumi up --stack {stack}`"
        raise CheckError(msg)
    return Endpoint(address=str(outputs["grpc_endpoint"]), tls=bool(outputs["grpc_tls"]))
