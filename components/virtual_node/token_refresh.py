"""Keeps the access token of a virtual kubelet in a file: the program of the containers `first-token` and `token`.

interLink's virtual kubelet reads the file for each call and sends it as it is, and ends if there is none at its start.
So the file is replaced whole, holds the token without a newline, and an init container (`once`) waits for the first.
The program is a file of a ConfigMap and imports the standard library only. It never prints a token or the secret.
"""

import base64
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

RETRY_SECONDS = 10.0
_TIMEOUT_SECONDS = 20
_LIFETIME_SECONDS = 300.0
"""Life of a token whose issuer does not tell it."""


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect, which would take the client's secret to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request."""


_OPENER = build_opener(_NoRedirect)


def new_token(settings: Mapping[str, str]) -> tuple[str, float]:
    """Return a token and its life in seconds.

    Raises:
        OSError, HTTPException: the token end point does not answer, or refuses.
        ValueError: its answer has no token.
    """
    secret = Path(settings["CLIENT_SECRET_FILE"]).read_text(encoding="utf-8").strip()
    # RFC 6749, 2.3.1: both are encoded as in a form.
    pair = f"{quote_plus(settings['CLIENT_ID'])}:{quote_plus(secret)}"
    form = {"grant_type": "client_credentials", "audience": settings["AUDIENCE"]}
    headers = {
        "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    request = Request(settings["TOKEN_URL"], urlencode(form).encode(), headers)  # noqa: S310  https, by the schema
    with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
        answer = json.load(response)
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token or " " in token:
        msg = "the answer has no access_token"
        raise ValueError(msg)
    return token, float(answer.get("expires_in") or _LIFETIME_SECONDS)


def write(token: str, file: Path) -> None:
    """Replace the file whole."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(token, encoding="ascii")
    new.replace(file)


def reason(error: Exception) -> str:
    """Return why there is no token, without what the issuer may have put into its answer besides the error's name."""
    if not isinstance(error, HTTPError):
        return f"{type(error).__name__}: {error}"
    try:
        told = json.load(error)
    except (ValueError, OSError):
        told = None
    name = told.get("error") if isinstance(told, dict) else None
    return f"HTTP {error.code}{f', {name}' if isinstance(name, str) else ''}"


def run(settings: Mapping[str, str], *, once: bool) -> None:
    """Ask for a token whenever half of the last one's life is over, and every ten seconds while there is none."""
    while True:
        wait_seconds = RETRY_SECONDS
        try:
            token, lifetime_seconds = new_token(settings)
        except (OSError, HTTPException, ValueError) as error:
            print(f"no token from {settings['TOKEN_URL']}: {reason(error)}", file=sys.stderr, flush=True)
        else:
            write(token, Path(settings["TOKEN_FILE"]))
            if once:
                return
            wait_seconds = max(lifetime_seconds / 2, RETRY_SECONDS)
        time.sleep(wait_seconds)


def main(arguments: Sequence[str]) -> None:
    """Run with the settings of the environment."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container has no default
    run(os.environ, once="once" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
