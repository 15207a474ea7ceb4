"""Arguments that both commands have: the address of the stack, and the credentials to show."""

import argparse
import os
from pathlib import Path

from acceptance.client_credentials import NOTHING_TO_SHOW, Credentials, find_token, read
from acceptance.errors import CheckError
from acceptance.outputs import Endpoint, deployed_endpoint
from stacks.schema.clients import Clients, NetworkClients, TokenClients


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
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


def address(parser: argparse.ArgumentParser, chosen: argparse.Namespace, root: Path) -> Endpoint:
    """Return the address that is named, or else that of the deployed stack.

    Raises:
        CheckError: none is named, and Pulumi has none.
    """
    if chosen.tls and chosen.endpoint is None:
        parser.error("--tls goes with --endpoint: without it the stack's output `grpc_tls` decides")
    given = chosen.endpoint and Endpoint(address=chosen.endpoint, tls=chosen.tls)
    return given or deployed_endpoint(chosen.stack, root)


def credentials(clients: Clients, endpoint: Endpoint, chosen: argparse.Namespace) -> Credentials:
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
