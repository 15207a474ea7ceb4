"""A client of the proxy on loopback, much as CMSSW is one: unary calls over a channel of its own."""

from collections import Counter
from collections.abc import Sequence

import grpc

from tests.support.stand_in import INFER

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, as another process would have
    ("grpc.enable_retries", 0),  # what is lost is to be seen
    ("grpc.max_send_message_length", -1),
)


def channel(target: str) -> grpc.Channel:
    """A channel that shares its connection with no other."""
    return grpc.insecure_channel(target, options=_OPTIONS)


def outcomes(
    client: grpc.Channel, calls: int = 1, *, method: str = INFER, bytes_each: int = 10, deadline_seconds: float = 60
) -> Counter[str]:
    """Makes calls all at once; counts the servers that answered, and the status codes of those that failed."""
    begun = [begin(client, method, bytes_each, deadline_seconds) for _ in range(calls)]
    return Counter(_outcome(call) for call in begun)


def begin(
    client: grpc.Channel, method: str = INFER, bytes_each: int = 0, deadline_seconds: float = 60
) -> "grpc.Future[bytes]":
    """Begins one call."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = client.unary_unary(method)
    return call.future(bytes(bytes_each), timeout=deadline_seconds)


def _outcome(call: "grpc.Future[bytes]") -> str:
    try:
        return call.result().decode()
    except grpc.RpcError as error:
        return str(error.code().name)
