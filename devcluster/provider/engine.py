"""Messages to the person, through the Pulumi engine."""

import contextlib

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class EngineLog:
    """Writes to the engine's log and to the status column of a resource.

    A message that does not arrive is dropped: the engine may be on its way out.
    """

    def __init__(self, address: str):
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def warning(self, urn: str, message: str) -> None:
        """A line that stays in the output."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.WARNING, urn=urn, message=message))

    def status(self, urn: str, message: str) -> None:
        """What is going on with the resource now; empty clears it."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, urn=urn, message=message, ephemeral=True))

    def _send(self, request: engine_pb2.LogRequest) -> None:
        with contextlib.suppress(grpc.RpcError):
            self._stub.Log(request, timeout=5)
