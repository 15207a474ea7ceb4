"""The real Envoy on loopback, from any bootstrap: only ports and folders are changed."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from components.envoy.ports import ADMIN_PORT, GRPC_PORT, STATS_PORT
from components.envoy.validate import find_envoy
from testbed.child_process import Process
from testbed.dns_stub import with_resolver
from testbed.loopback import LOOPBACK, free_ports, http
from testbed.polling import eventually

PORTS = (GRPC_PORT, ADMIN_PORT, STATS_PORT)
"""Ports of the program's own bootstrap."""
NODE = ("--service-node", "testbed", "--service-cluster", "testbed")
"""Names that Envoy wants where it watches files for secrets."""
ARGUMENTS = ("--disable-hot-restart", "--concurrency", "2", *NODE)
"""Command line of an Envoy outside a pod, but for its configuration."""

_ANYWHERE = ("0.0.0.0", LOOPBACK)  # noqa: S104  replaced, not listened on


class RealEnvoy:
    """An Envoy that runs and is ready while it is entered.

    Args:
        bootstrap: the configuration.
        directory: gets configuration and log.
        arguments: command line, but for the configuration.
        executable: Envoy; by default the one that previews validate with.
        ports: its ports in the configuration, gRPC and admin first; each is replaced by a free one of 127.0.0.1.
        files: path in the pod -> content of the file. Its folder is made below `directory`.
        dns_port: UDP port of the DNS stub that it asks; None: the machine's DNS.
        core: the one CPU that it may use; None: all.
        log: gets its output; by default a file in `directory`.
    """

    def __init__(
        self,
        bootstrap: Mapping[str, Any],
        directory: Path,
        *,
        arguments: Sequence[str] = ARGUMENTS,
        executable: str | None = None,
        ports: Sequence[int] = PORTS,
        files: Mapping[str, str] | None = None,
        dns_port: int | None = None,
        core: int | None = None,
        log: Path | None = None,
    ) -> None:
        moved = dict(zip(ports, free_ports(len(ports)), strict=True))
        self.grpc_port, self.admin_port = [moved[port] for port in ports[:2]]
        self.stats_port = moved[ports[-1]]
        self._core = core
        self._root = directory / f"pod-{self.grpc_port}"
        self._folders = sorted({str(Path(file).parent) for file in files or {}})
        for folder in self._folders:
            self.mount(
                folder, {Path(f).name: text for f, text in (files or {}).items() if str(Path(f).parent) == folder}
            )
        config = on_loopback(bootstrap if dns_port is None else with_resolver(bootstrap, dns_port), moved)
        path = directory / f"envoy-{self.grpc_port}.json"
        path.write_text(self._in_root(json.dumps(config)))
        self.log = log or path.with_suffix(".log")
        self._command = [executable or find_envoy(), "--config-path", str(path), *arguments]

    def mount(self, folder: str, files: Mapping[str, str]) -> None:
        """Give a folder of the pod its files, or new ones, as the kubelet does: by moving the one link to them all."""
        mounted = Path(f"{self._root}{folder}")
        version = mounted / f"..{time.monotonic_ns()}"
        version.mkdir(parents=True)
        for name, content in files.items():
            (version / name).write_text(self._in_root(content))
            if not (mounted / name).is_symlink():
                (mounted / name).symlink_to(Path("..data", name))
        moving = mounted / "..data_tmp"
        moving.symlink_to(version.name)
        moving.replace(mounted / "..data")

    def _in_root(self, text: str) -> str:
        """Replace the pod's folders in a JSON text by those of this machine."""
        for folder in self._folders:
            text = re.sub(rf'"({re.escape(folder)}(?=[/"]))', rf'"{self._root}\1', text)
        return text

    @property
    def target(self) -> str:
        """`host:port` for clients."""
        return f"{LOOPBACK}:{self.grpc_port}"

    def __enter__(self) -> Self:
        self.process = Process(self._command, log=self.log, core=self._core)
        try:
            self.process.await_that(self.ready, "Envoy to be ready")
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.end()

    def ready(self) -> bool:
        """Ask as the kubelet's readiness probe does."""
        try:
            return self.stats("/ready")[0] == 200
        except OSError:
            return False

    def stats(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Return status and body of a path of the stats listener; of the admin interface where there is none."""
        return http(self.stats_port, path, method)

    def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Return status and body of a path of the admin interface."""
        return http(self.admin_port, path, method)

    def stat(self, name: str) -> int:
        """Return a counter or gauge by its full name; 0 while it does not exist."""
        text = self.admin(f"/stats?filter=^{name}$")[1]
        return int(text.rpartition(":")[2]) if text.strip() else 0

    def healthy_servers(self) -> set[str]:
        """Return the addresses of the servers that may get traffic."""
        clusters = json.loads(self.admin("/clusters?format=json")[1])["cluster_statuses"]
        servers = next(cluster for cluster in clusters if cluster["name"] == "servers")
        return {
            host["address"]["socket_address"]["address"]
            for host in servers.get("host_statuses", [])
            if host["health_status"] == {"eds_health_status": "HEALTHY"}
        }


def await_healthy(envoy: RealEnvoy, *addresses: str) -> None:
    """Wait until an Envoy counts exactly these servers as healthy."""
    eventually(lambda: envoy.healthy_servers() == set(addresses), f"healthy are {addresses}")


def on_loopback(config: Any, moved: Mapping[int, int]) -> Any:
    """Return the configuration with its own ports, on every address or on loopback, moved to ports of 127.0.0.1.

    Where they are on every address of both families, only the ports change.
    """
    if isinstance(config, list):
        return [on_loopback(item, moved) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("ipv4_compat") and config.get("port_value") in moved:
        return {**config, "port_value": moved[config["port_value"]]}
    if config.get("address") in _ANYWHERE and config.get("port_value") in moved:
        return {**config, "address": LOOPBACK, "port_value": moved[config["port_value"]]}
    return {key: on_loopback(value, moved) for key, value in config.items()}
