"""Credentials of the check: a token, found by the WLCG bearer token discovery, or a certificate."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acceptance.errors import CheckError


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Token or certificate of a client; neither, where the network decides."""

    token: str | None = None
    """Sent as `authorization: Bearer …`, over TLS only."""
    certificate: bytes | None = None
    """X.509 certificate with its chain, in PEM."""
    key: bytes | None = None
    """Its private key, in PEM."""


NOTHING_TO_SHOW = Credentials()


def find_token(file: Path | None, environment: Mapping[str, str], user_id: int) -> str:
    """Return the token of the file, or else the first that the WLCG bearer token discovery finds.

    Args:
        file: named by the user.
        environment: BEARER_TOKEN holds a token, BEARER_TOKEN_FILE names a file; then XDG_RUNTIME_DIR and /tmp are
            looked into.
        user_id: part of the file's name in the last two, `bt_u<user_id>`.

    Raises:
        CheckError: there is none, or the file cannot be read or is empty.
    """
    if file is None and environment.get("BEARER_TOKEN", "").strip():
        return environment["BEARER_TOKEN"].strip()
    named = file or (Path(environment["BEARER_TOKEN_FILE"]) if environment.get("BEARER_TOKEN_FILE") else None)
    if named is not None:
        return _read_token(named)
    for folder in (environment.get("XDG_RUNTIME_DIR"), "/tmp"):  # noqa: S108  the discovery says so
        usual = Path(folder or "/nonexistent", f"bt_u{user_id}")
        if usual.is_file():
            return _read_token(usual)
    msg = "the stack requires a token and none was found: name a file with --token-file, or set BEARER_TOKEN"
    raise CheckError(msg)


def _read_token(file: Path) -> str:
    token = read(file).decode(errors="replace").strip()
    if not token:
        msg = f"{file} is empty, but a token is required: get one, for example with `oidc-token`, and write it there"
        raise CheckError(msg)
    return token


def read(file: Path) -> bytes:
    """Read a file that the user named.

    Raises:
        CheckError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} cannot be read ({os.strerror(error.errno or 0)}): name a file that you can read"
        raise CheckError(msg) from error
