"""A stand-in for a Service: TCP connections go to the pod that is listed when they are made, and stay with it."""

import selectors
import socket
import threading
from types import TracebackType
from typing import Self

from components.envoy.bootstrap import LOOPBACK


class Service:
    """Listens on a port of its own; `port_of_pod` is where new connections are led."""

    def __init__(self, port_of_pod: int) -> None:
        self.port_of_pod = port_of_pod
        self._listening = socket.create_server((LOOPBACK, 0))
        self.target = f"{LOOPBACK}:{self._listening.getsockname()[1]}"
        self._ends: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for end in (self._listening, *self._ends):
            end.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(timeout=0.1):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listening:
                    self._connect()
                elif end in self._ends:
                    self._pass_on(end)

    def _connect(self) -> None:
        client, _ = self._listening.accept()
        pod = socket.create_connection((LOOPBACK, self.port_of_pod))
        self._ends |= {client: pod, pod: client}
        for end in (client, pod):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        try:
            data = end.recv(65536)
            self._ends[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            for closed in (end, self._ends.pop(end)):
                self._ends.pop(closed, None)
                self._selector.unregister(closed)
                closed.close()
