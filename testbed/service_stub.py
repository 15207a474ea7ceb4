"""Stand-in for kube-proxy: it relays new connections to the ready Envoys and leaves open connections where they are.

Both sides use it. Only the Envoy roll needs it: in all other scenarios clients call an Envoy directly.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES = 65536
_LOOPBACK = "127.0.0.1"


class ServiceStub:
    """Relays TCP connections on a free port of loopback until closed; use as a context manager.

    Args:
        ports: ports of 127.0.0.1 that new connections are given in turn.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._turn = itertools.count()
        self._ports = tuple(ports)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="service-stub", daemon=True)

    def set_ports(self, ports: Sequence[int]) -> None:
        """Give new connections to these from now on."""
        self._ports = tuple(ports)

    @property
    def target(self) -> str:
        """`host:port` for clients."""
        return f"{_LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._await(asyncio.start_server(self._relay, _LOOPBACK, 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close(self) -> None:
        self._server.close()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _relay(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        port = self._ports[next(self._turn) % len(self._ports)]
        with contextlib.suppress(OSError):  # as kube-proxy: a port without a listener refuses the connection
            from_envoy, to_envoy = await asyncio.open_connection(_LOOPBACK, port)
            await asyncio.gather(_copy(from_client, to_envoy), _copy(from_envoy, to_client))
        to_client.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until either end closes, then close the other."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    sink.close()
