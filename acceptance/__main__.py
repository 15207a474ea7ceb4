"""`python -m acceptance STACK`: make the calls of a CMS job to the servers of a stack."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from acceptance.client import TritonClient
from acceptance.client_credentials import NOTHING_TO_SHOW, Credentials, find_token, read
from acceptance.errors import CheckError
from acceptance.handshake import Expectation, Row, handshake
from acceptance.outputs import Endpoint, deployed_endpoint
from acceptance.reference import read_reference
from acceptance.report import Table, first_cause
from access.kubeconfig import CONTEXT_VARIABLE
from stacks.errors import ConfigurationError
from stacks.resolve import REFERENCE_DIRECTORY, ROOT, resolve
from stacks.schema import StackConfig
from stacks.schema.clients import Clients, NetworkClients, TokenClients
from stacks.schema.experiment import Models


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Check one stack, and return the exit status: 0 only if every row is ok."""
    parser = argparse.ArgumentParser(
        prog="python -m acceptance",
        description="Make the calls of a CMS job to the servers of a stack, and check the answers.",
    )
    parser.add_argument("stack", metavar="STACK")
    parser.add_argument(
        "--endpoint", metavar="HOST:PORT", help="address to call; default: the stack's output `grpc_endpoint`"
    )
    parser.add_argument("--tls", action="store_true", help="speak TLS to --endpoint")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="token, where the stack requires one; default: WLCG bearer token discovery",
    )
    parser.add_argument(
        "--client-certificate",
        type=Path,
        metavar="FILE",
        help="certificate, where the stack requires one (PEM)",
    )
    parser.add_argument("--client-key", type=Path, metavar="FILE", help="its private key (PEM)")
    chosen = parser.parse_args(arguments)
    if chosen.tls and chosen.endpoint is None:
        parser.error("--tls goes with --endpoint: without it the stack's output `grpc_tls` decides")
    try:
        config = resolve(chosen.stack, root).config
        expectations = expected(config.experiment.models, root)
        given = chosen.endpoint and Endpoint(address=chosen.endpoint, tls=chosen.tls)
        endpoint = given or deployed_endpoint(chosen.stack, root)
        credentials = shown(config.experiment.clients, endpoint, chosen)
    except (ConfigurationError, CheckError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"stack {chosen.stack} at {endpoint.address} ({'TLS' if endpoint.tls else 'plain text'})\n")
    with TritonClient(endpoint.address, tls=endpoint.tls, credentials=credentials) as client:
        rows = Table(expectations, sys.stdout).show(handshake(client, expectations))
    return conclude(config, endpoint, rows)


def shown(clients: Clients, endpoint: Endpoint, chosen: argparse.Namespace) -> Credentials:
    """Return the credentials that the stack requires, from the command line or the environment.

    Raises:
        CheckError: they are missing, or would be sent in plain text.
    """
    if isinstance(clients, NetworkClients):
        return NOTHING_TO_SHOW
    if not endpoint.tls:
        msg = (
            f"the stack requires a {clients.kind}, which is sent over TLS only, but {endpoint.address} is called in "
            "plain text: add --tls"
        )
        raise CheckError(msg)
    if isinstance(clients, TokenClients):
        return Credentials(token=find_token(chosen.token_file, os.environ, os.getuid()))
    if chosen.client_certificate is None or chosen.client_key is None:
        msg = "the stack requires a certificate: name it with --client-certificate and its key with --client-key"
        raise CheckError(msg)
    return Credentials(certificate=read(chosen.client_certificate), key=read(chosen.client_key))


def expected(models: Models, root: Path = ROOT) -> list[Expectation]:
    """Read the references, and return the expectation of each model.

    Raises:
        CheckError: a reference cannot be read.
    """
    return [
        Expectation(
            model=model.name,
            versions=model.versions or (),
            checksums_md5=model.checksums_md5,
            stateful=model.stateful,
            reference=read_reference(root / REFERENCE_DIRECTORY / model.reference, model.name)
            if model.reference
            else None,
        )
        for model in models.expected
    ]


def conclude(config: StackConfig, endpoint: Endpoint, rows: Sequence[Row]) -> int:
    """Print the verdict and the next command, and return the exit status."""
    cause = first_cause(rows)
    if cause is None:
        print(f"\nall {len(rows)} right: clients of `{config.experiment_name}` use {endpoint.address}")
        return 0
    kubectl = (
        f"kubectl --context {os.environ.get(CONTEXT_VARIABLE) or config.site.access.context} -n {config.namespace}"
    )
    selector = f"app.kubernetes.io/instance={config.name},app.kubernetes.io/component=triton"
    next_command = (
        f"{kubectl} get pods" if cause.check == "live" else f"{kubectl} logs -l {selector} --prefix --tail 50"
    )
    print(f"\nfirst cause: {' '.join(filter(None, (cause.check, cause.model)))}: {cause.detail}")
    print(f"next: {next_command}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
