"""A stand-in for Triton on loopback: the same gRPC transport and health service, no models."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
HEALTH = "/grpc.health.v1.Health/Check"

STOPPING = "GRPC server is shutting down and has stopped accepting new requests."
"""Reason of Triton's UNAVAILABLE while it stops."""

_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse{status: 1 | 2}


class StandIn:
    """Answers every call with its own name, after `delay_seconds`, or fails it with `status` and `reason`."""

    def __init__(self, address: str, port: int) -> None:
        self.name = address
        self.serving = True
        self.status: grpc.StatusCode | None = None
        self.reason = "told to fail"
        self.delay_seconds = 0.0
        self.calls = 0
        """Calls begun, health checks not counted."""
        self.seconds_left = 0.0
        """Until the deadline of the last call, as the server was told."""
        self.metadata: dict[str, str | bytes] = {}
        """Metadata of the last call."""
        self._stopping = threading.Event()
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=256),
            handlers=[_Handlers(self)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.http2.max_ping_strikes", 0),  # as Triton is started: --grpc-http2-max-ping-strikes=0
            ],
        )
        self._server.add_insecure_port(f"{address}:{port}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, grace_seconds: float | None = None) -> None:
        """Refuse new calls at once, and cancel calls in progress after the grace, by default at once."""
        stopped = self._server.stop(grace_seconds)
        if grace_seconds is None:
            self._stopping.set()
        stopped.wait()
        self._stopping.set()

    def answer(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        self.seconds_left = context.time_remaining()
        self.metadata = dict(context.invocation_metadata())
        if self.status is not None:
            context.abort(self.status, self.reason)
        self._stopping.wait(self.delay_seconds)
        return self.name.encode()

    def check(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        return _SERVING if self.serving else _NOT_SERVING


class Busy(StandIn):
    """Works on `slots` requests at a time, each for `work_seconds`; the others wait."""

    def __init__(self, address: str, port: int, *, slots: int, work_seconds: float) -> None:
        super().__init__(address, port)
        self.delay_seconds = work_seconds
        self.in_progress = self.in_progress_max = 0
        self._counting, self._slots = threading.Lock(), threading.Semaphore(slots)

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        with self._counting:
            self.in_progress += 1
            self.in_progress_max = max(self.in_progress_max, self.in_progress)
        try:
            with self._slots:
                return super().answer(request, context)
        finally:
            with self._counting:
                self.in_progress -= 1


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(self._stand_in.check if method == HEALTH else self._stand_in.answer)
