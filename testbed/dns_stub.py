"""Stand-in for CoreDNS: one name, whose addresses an experiment changes; its answers can be late or errors.

Both sides use it in the same way: its address is set in Envoy's c-ares resolver.
"""

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

Config = Mapping[str, Any]
Behaviour = Literal["answer", "empty", "servfail", "silent"]
"""`empty`: the name exists and has no address; `silent`: no answer at all."""

_LOOPBACK = "127.0.0.1"
_A, _AAAA, _IN = 1, 28, 1
_RESPONSE_RECURSIVE = 0x8180  # a response, recursion desired and available
_NOERROR, _SERVFAIL, _NXDOMAIN = 0, 2, 3
_HEADER = struct.Struct("!HHHHHH")
_SUFFIX = struct.Struct("!HH")
_POINTER_TO_QUESTION = 0xC00C
_RECORD = struct.Struct("!HHHIH4s")


@dataclass(frozen=True, kw_only=True)
class Zone:
    """The name of the stub and its answer."""

    name: str
    """Full name without a trailing dot."""
    addresses: tuple[str, ...] = ()
    """IPv4 addresses."""
    ttl_seconds: int = 5
    """Time to live of each record: CoreDNS' own default."""
    behaviour: Behaviour = "answer"


def answer(query: bytes, zone: Zone) -> bytes | None:
    """The response to one query: the zone's addresses for A, none for AAAA, NXDOMAIN for any other name.

    Args:
        query: a DNS message with one question.
        zone: the name and its addresses.

    Returns:
        The message, or None where the stub does not answer.
    """
    if zone.behaviour == "silent" or len(query) < _HEADER.size:
        return None
    name, kind, end = _question(query)
    known = name == zone.name.lower()
    addresses = zone.addresses if known and kind == _A and zone.behaviour == "answer" else ()
    code = _SERVFAIL if zone.behaviour == "servfail" else _NOERROR if known else _NXDOMAIN
    (identity,) = struct.unpack_from("!H", query)
    header = _HEADER.pack(identity, _RESPONSE_RECURSIVE | code, 1, len(addresses), 0, 0)
    records = b"".join(
        _RECORD.pack(_POINTER_TO_QUESTION, _A, _IN, zone.ttl_seconds, 4, ipaddress.IPv4Address(address).packed)
        for address in addresses
    )
    return header + query[_HEADER.size : end] + records


def _question(query: bytes) -> tuple[str, int, int]:
    """Return the name in lower case, the type, and the end of the question."""
    labels: list[str] = []
    position = _HEADER.size
    while query[position]:
        length = query[position]
        labels.append(query[position + 1 : position + 1 + length].decode("ascii").lower())
        position += 1 + length
    kind, _class = _SUFFIX.unpack_from(query, position + 1)
    return ".".join(labels), kind, position + 1 + _SUFFIX.size


@dataclass
class DnsStub:
    """Answers on a free UDP port of loopback until closed.

    Use as a context manager. `zone` may be replaced at any time.
    """

    zone: Zone
    delay_seconds: float = 0.0
    """Delay of each answer."""
    queries: int = field(default=0, init=False)
    """Queries for an A record so far."""

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((_LOOPBACK, 0))
        self._socket.settimeout(0.2)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dns-stub", daemon=True)

    @property
    def port(self) -> int:
        """UDP port on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Change what the name resolves to, from now on."""
        self.zone = replace(self.zone, addresses=tuple(addresses))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                query, client = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            time.sleep(self.delay_seconds)
            response = answer(query, self.zone)
            self.queries += _question(query)[1] == _A
            if response is not None:
                self._socket.sendto(response, client)


def with_resolver(config: Config, dns_port: int) -> Config:
    """The configuration with the DNS stub as c-ares' only server, in every cluster that asks DNS."""
    resolver = {"socket_address": {"address": _LOOPBACK, "port_value": dns_port, "protocol": "UDP"}}

    def told(cluster: Config) -> Config:
        if cluster.get("type") in ("STRICT_DNS", "LOGICAL_DNS"):
            return {**cluster, "typed_dns_resolver_config": _cares({}, resolver)}
        if cluster.get("cluster_type", {}).get("name") != "envoy.clusters.dns":
            return cluster
        kind = cluster["cluster_type"]
        dns = kind["typed_config"]
        own = dns.get("typed_dns_resolver_config", {}).get("typed_config", {})
        dns = {**dns, "typed_dns_resolver_config": _cares(own, resolver)}
        return {**cluster, "cluster_type": {**kind, "typed_config": dns}}

    static = config["static_resources"]
    return {**config, "static_resources": {**static, "clusters": [told(cluster) for cluster in static["clusters"]]}}


def _cares(own: Config, resolver: Config) -> Config:
    message = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {"@type": message, **own, "resolvers": [resolver]},
    }
