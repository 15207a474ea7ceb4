"""A DNS server on loopback that knows one name: the addresses of the servers, to be changed at will."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

_TTL_SECONDS = 30
"""As kubeadm's CoreDNS says: whoever respects it learns of a change that late."""


class Dns:
    """Answers every A query with `addresses`, and every other query with none."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        end_of_name = query.index(b"\0", 12) + 1
        question = query[12 : end_of_name + 4]
        asks_for_a = question[-4:-2] == b"\0\x01"
        addresses = self.addresses if asks_for_a else ()
        header = query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(addresses), 0, 0)
        records = b"".join(
            b"\xc0\x0c\0\x01\0\x01" + struct.pack(">IH", _TTL_SECONDS, 4) + socket.inet_aton(address)
            for address in addresses
        )
        return header + question + records
