"""The Envoy of one side, with the command line and preStop hook of that side's pod."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.loopback.sides import Side
from testbed.real_envoy import RealEnvoy


class Envoy(RealEnvoy):
    """A real Envoy with a side's configuration and command line.

    Args:
        binary: Envoy.
        side: the side.
        dns_port: UDP port of the DNS stub, the only thing added to a configuration.
        directory: gets configuration and log.
        core: the one CPU that it may use; None: all.
    """

    def __init__(self, *, binary: Path, side: Side, dns_port: int, directory: Path, core: int | None) -> None:
        super().__init__(
            side.config,
            directory,
            arguments=side.envoy_arguments,
            executable=str(binary),
            ports=side.ports,
            files=side.files,
            dns_port=dns_port,
            core=core,
        )
        self.side = side

    def members(self) -> int:
        """Return how many servers it knows and counts as healthy."""
        return self.stat(f"cluster.{self.side.cluster}.membership_healthy")

    def await_members(self, count: int, timeout_seconds: float = 60) -> None:
        """Wait until it sends requests to exactly so many servers.

        Raises:
            ProcessError: it does not within the time.
        """
        what = f"Envoy of {self.side.name} to know {count} healthy servers"
        self.process.await_that(lambda: self.members() == count, what, timeout_seconds)

    def pre_stop(self) -> list[str]:
        """Return the side's preStop hook for this Envoy, as a command; empty where it has none."""
        return [str(self.admin_port) if word == "ADMIN_PORT" else word for word in self.side.envoy_pre_stop]


def digest(config: Mapping[str, Any]) -> str:
    """Return twelve characters that change with a side's configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
