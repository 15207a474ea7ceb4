"""A real Envoy on loopback, from the configuration of either side."""

import hashlib
import json
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.loopback.process import Process
from benchmarks.loopback.sides import Side

Config = Mapping[str, Any]

LOOPBACK = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", LOOPBACK)  # noqa: S104  what is replaced, not listened at
_START_TIMEOUT_SECONDS = 30


def free_ports(count: int) -> list[int]:
    """TCP ports that are free on loopback now."""
    sockets = [socket.socket() for _ in range(count)]
    for listening in sockets:
        listening.bind((LOOPBACK, 0))
    ports = [int(listening.getsockname()[1]) for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


class Envoy:
    """One Envoy process of a side, which is ready when it is made.

    Args:
        binary: Envoy.
        side: whose configuration it runs, and how it is started and stopped.
        dns_port: UDP port of the DNS stub, the only thing added to a configuration.
        directory: gets configuration and log.
        core: the one CPU that it may use; None: all.

    Raises:
        BenchmarkError: it does not start.
    """

    def __init__(self, *, binary: Path, side: Side, dns_port: int, directory: Path, core: int | None) -> None:
        self.side = side
        moved = dict(zip(side.ports, free_ports(len(side.ports)), strict=True))
        self.grpc_port, self.admin_port = [moved[port] for port in side.ports[:2]]
        config = on_loopback(with_resolver(side.config, dns_port), moved)
        path = directory / f"envoy-{side.slug}-{self.grpc_port}.json"
        path.write_text(json.dumps(config, indent=1))
        self.log = path.with_suffix(".log")
        self.process = Process(
            [str(binary), "--config-path", str(path), *side.envoy_arguments],
            log=self.log,
            core=core,
        )
        self.process.await_that(self._ready, f"Envoy of {side.name} is ready", _START_TIMEOUT_SECONDS)

    @property
    def target(self) -> str:
        """Where clients call."""
        return f"{LOOPBACK}:{self.grpc_port}"

    def members(self) -> int:
        """How many servers it knows and holds for healthy."""
        return self._gauge(f"cluster.{self.side.cluster}.membership_healthy")

    def await_members(self, count: int, timeout_seconds: float = 60) -> None:
        """Wait until it sends requests to exactly so many servers.

        Raises:
            BenchmarkError: it does not come to it.
        """
        what = f"Envoy of {self.side.name} knows {count} healthy servers"
        self.process.await_that(lambda: self.members() == count, what, timeout_seconds)

    def pre_stop(self) -> list[str]:
        """The side's preStop hook for this Envoy, as a command; empty where it has none."""
        return [str(self.admin_port) if word == "ADMIN_PORT" else word for word in self.side.envoy_pre_stop]

    def _gauge(self, name: str) -> int:
        text = self._admin(f"/stats?filter=^{name}$").strip()
        return int(text.rpartition(":")[2]) if text else 0

    def _ready(self) -> bool:
        try:
            return self._admin("/ready").strip() == "LIVE"
        except OSError:
            return False

    def _admin(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.admin_port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def with_resolver(config: Config, dns_port: int) -> Config:
    """The configuration with the DNS stub as c-ares' only server, in every cluster that asks DNS."""
    resolver = {"socket_address": {"address": LOOPBACK, "port_value": dns_port, "protocol": "UDP"}}

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


def on_loopback(config: Any, moved: Mapping[int, int]) -> Any:
    """The configuration with ports of 127.0.0.1 in the place of those that it has on every address or on loopback."""
    if isinstance(config, list):
        return [on_loopback(item, moved) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("address") in _ANYWHERE and config.get("port_value") in moved:
        return {**config, "address": LOOPBACK, "port_value": moved[config["port_value"]]}
    return {key: on_loopback(value, moved) for key, value in config.items()}


def digest(config: Config) -> str:
    """Twelve characters that change with a side's configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def _cares(own: Config, resolver: Config) -> Config:
    message = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {"@type": message, **own, "resolvers": [resolver]},
    }
