"""Wait for the first server of a stack that may have none."""

import time
from collections.abc import Callable

from acceptance.kserve import CallError, InferenceServer

_PERIOD_SECONDS = 1.0
_NO_SERVER = "UNAVAILABLE"
"""Status of Envoy's answer."""


def wake(server: InferenceServer, *, patience_seconds: float, tell: Callable[[str], None]) -> None:
    """Ask until a server answers, any error but a missing server included, or until patience ends.

    Envoy counts the calls that it refuses, and KEDA starts a server for them.
    """
    deadline = time.monotonic() + patience_seconds
    told = False
    while not _answers(server) and time.monotonic() < deadline:
        if not told:
            tell(f"no server runs: asked for one, and waiting for it up to {patience_seconds:g} s\n")
            told = True
        time.sleep(_PERIOD_SECONDS)


def _answers(server: InferenceServer) -> bool:
    try:
        server.server_live()
    except CallError as error:
        return not str(error).startswith(_NO_SERVER)
    return True
