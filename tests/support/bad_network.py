"""A network namespace behind a link that loses and delays packets, or cuts addresses off. It takes root.

The kernel's own `netem` is not there on every machine, so the link is two TUN devices with this program between them:
what crosses it are real packets of the kernel's own TCP.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from typing import Self

_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PACKET_INFORMATION = 0x1001
_ADDRESSES = slice(12, 16), slice(16, 20)  # source and destination in an IPv4 header
_PACKET_BYTES_MAX = 65536

HERE, A, B = "10.251.77.1", "10.251.77.2", "10.251.77.3"
"""This machine's end of the link, and the addresses at the other."""


class BadNetwork:
    """The addresses A and B at the end of a link, while it is entered.

    Attributes:
        loss: share of the packets that are lost, in each direction.
        delay_seconds: how late each packet arrives.
        cut_off: addresses from and to which nothing arrives.
    """

    def __init__(self, *, loss: float = 0, delay_seconds: float = 0) -> None:
        self.loss, self.delay_seconds = loss, delay_seconds
        self.cut_off: set[str] = set()
        self.lost = 0
        """Packets lost so far."""
        self.namespace = f"sonic-chaos-{os.getpid()}"
        self._random = random.Random(1)  # noqa: S311  the same losses in every run
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def command(self, *words: str) -> list[str]:
        """A command line that runs at the other end."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def __enter__(self) -> Self:
        near, far = (f"chaos{os.getpid()}{end}" for end in "nf")
        _ip("netns", "add", self.namespace)
        self._near, self._far = _tun(near), _tun(far)
        _ip("link", "set", far, "netns", self.namespace)
        _ip("address", "add", f"{HERE}/24", "dev", near)
        _ip("link", "set", near, "up")
        for address in (A, B):
            _ip("-netns", self.namespace, "address", "add", f"{address}/24", "dev", far)
        _ip("-netns", self.namespace, "link", "set", far, "up")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for device in (self._near, self._far):
            os.close(device)  # which takes it away
        _ip("netns", "delete", self.namespace)

    def _carry(self) -> None:
        other_end = {self._near: self._far, self._far: self._near}
        on_the_way: list[tuple[float, int, int, bytes]] = []  # due, number, to which end, packet
        number = 0
        while not self._ended.is_set():
            wait = min(0.1, max(0.0, on_the_way[0][0] - time.monotonic())) if on_the_way else 0.1
            for end in select.select([self._near, self._far], [], [], wait)[0]:
                packet = os.read(end, _PACKET_BYTES_MAX)
                number += 1
                if self._arrives(packet):
                    heapq.heappush(on_the_way, (time.monotonic() + self.delay_seconds, number, other_end[end], packet))
                else:
                    self.lost += 1
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(on_the_way)
                os.write(end, packet)

    def _arrives(self, packet: bytes) -> bool:
        ends = {".".join(map(str, packet[place])) for place in _ADDRESSES}
        return not ends & self.cut_off and self._random.random() >= self.loss


def _tun(name: str) -> int:
    """A new TUN device, as a file descriptor from which its packets are read."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PACKET_INFORMATION))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
