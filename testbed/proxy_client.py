"""A client of the proxy on loopback, similar to CMSSW: unary calls over its own channel."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import grpc

from testbed.authority import Credentials
from testbed.stand_in import INFER

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, as another process would have
    ("grpc.enable_retries", 0),  # a retry would hide a lost request
    ("grpc.max_send_message_length", -1),
)


def channel(target: str) -> grpc.Channel:
    """A channel that shares its connection with no other."""
    return grpc.insecure_channel(target, options=_OPTIONS)


def tls_channel(target: str, authorities: str, shown: Credentials | None = None) -> grpc.Channel:
    """A channel of its own over TLS: trusts the authorities (PEM), and shows a certificate if there is one."""
    mine = (shown.key.encode(), shown.certificate.encode()) if shown else (None, None)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(authorities.encode(), *mine), options=_OPTIONS)


def outcomes(
    client: grpc.Channel,
    calls: int = 1,
    *,
    method: str = INFER,
    bytes_each: int = 10,
    deadline_seconds: float = 60,
    token: str | None = None,
) -> Counter[str]:
    """Make calls at the same time; count the servers that answered, and the status codes of failed calls."""
    begun = [begin(client, method, bytes_each, deadline_seconds, token=token) for _ in range(calls)]
    return Counter(outcome(call) for call in begun)


def begin(
    client: grpc.Channel,
    method: str = INFER,
    bytes_each: int = 0,
    deadline_seconds: float = 60,
    *,
    token: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> "grpc.Future[bytes]":
    """Begin one call, with a body or so many bytes. A token is sent as `authorization: Bearer …`."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = client.unary_unary(method)
    shown = {} if token is None else {"authorization": f"Bearer {token}"}
    metadata = tuple({**headers, **shown}.items())
    return call.future(bytes(bytes_each) if body is None else body, timeout=deadline_seconds, metadata=metadata)


def ask(client: grpc.Channel, method: str = INFER, *, token: str | None = None) -> bytes:
    """Make one call and return its answer; a failed call raises grpc.RpcError."""
    return begin(client, method, token=token).result()


def outcome(call: "grpc.Future[bytes]") -> str:
    """The server that answered a call, or the status code that it failed with."""
    try:
        return call.result().decode()
    except grpc.RpcError as error:
        return str(error.code().name)
