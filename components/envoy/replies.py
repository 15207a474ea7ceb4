"""Envoy's own answers to clients that it refuses."""

from components.envoy.typed import Config

PUSHBACK: Config = {"header": {"key": "grpc-retry-pushback-ms", "value": "1000"}}
"""Time until a refused client may ask again here: gRPC's own header, obeyed by clients with a retry policy."""


def local_reply(causes: Config, sentence: str, *, retry: bool = True) -> Config:
    """Return a mapper of Envoy's own answers: another sentence for the same status.

    Args:
        causes: access log filter of the answers.
        sentence: status message that the client gets.
        retry: whether the client may ask again later.
    """
    pushback = {"headers_to_add": [PUSHBACK]} if retry else {}
    return {"filter": causes, "body": {"inline_string": sentence}, **pushback}
