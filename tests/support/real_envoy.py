"""The real Envoy on loopback, started from a bootstrap made by the program."""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components.envoy.bootstrap import ADMIN_PORT, ANY, GRPC_PORT, LOOPBACK, STATS_PORT

_NODE = ("--service-node", "test", "--service-cluster", "test")


@functools.cache
def binary() -> str:
    """Envoy named by SONIC_ENVOY, on PATH, or the development cluster's own, which is downloaded once."""
    found = os.environ.get("SONIC_ENVOY") or shutil.which("envoy")
    if found:
        return found
    from devcluster.images import envoy_binary
    from devcluster.progress import Progress

    return str(envoy_binary(Progress(1)))


class RealEnvoy:
    """A running Envoy: the given bootstrap, but for ports that are free here, and loopback instead of every address.

    Args:
        bootstrap: the configuration.
        directory: gets configuration and log.
        arguments: further words of the command line.
        files: path in the pod -> content of what it reads there. Its folder is made below `directory`.
        log: where its output goes; by default a file in `directory`.
    """

    def __init__(
        self,
        bootstrap: dict[str, Any],
        directory: Path,
        *arguments: str,
        files: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.grpc_port, self.stats_port, self.admin_port = free_port(), free_port(), free_port()
        ports = {GRPC_PORT: self.grpc_port, STATS_PORT: self.stats_port, ADMIN_PORT: self.admin_port}
        path = directory / f"envoy-{self.grpc_port}.json"
        self._root = directory / f"pod-{self.grpc_port}"
        self._folders = sorted({str(Path(file).parent) for file in files or {}})
        for folder in self._folders:
            self.mount(
                folder, {Path(f).name: text for f, text in (files or {}).items() if str(Path(f).parent) == folder}
            )
        path.write_text(self._in_root(json.dumps(_on_loopback(bootstrap, ports))))
        self.log = log or directory / f"envoy-{self.grpc_port}.log"
        self._command = [binary(), "-c", str(path), "--disable-hot-restart", "--concurrency", "2", *_NODE]
        self._command += arguments

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
        """Paths of the pod's folders as they are here, in text that is JSON."""
        for folder in self._folders:
            text = re.sub(rf'"({re.escape(folder)}(?=[/"]))', rf'"{self._root}\1', text)
        return text

    @property
    def target(self) -> str:
        """Where clients call."""
        return f"{LOOPBACK}:{self.grpc_port}"

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        eventually(self.ready, "Envoy is ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def ready(self) -> bool:
        """Whether the kubelet would find it ready; fails where it has ended, with the end of its log."""
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.stats("/ready")[0] == 200
        except OSError:
            return False

    def stats(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of a path of the stats listener."""
        return http(self.stats_port, path, method)

    def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of a path of the admin interface."""
        return http(self.admin_port, path, method)

    def stat(self, name: str) -> int:
        """A counter or gauge by its full name; 0 while it does not exist."""
        text = self.admin(f"/stats?filter=^{name}$")[1]
        return int(text.rpartition(":")[2]) if text.strip() else 0

    def healthy_servers(self) -> set[str]:
        """Addresses of the servers that may get traffic."""
        clusters = json.loads(self.admin("/clusters?format=json")[1])["cluster_statuses"]
        servers = next(cluster for cluster in clusters if cluster["name"] == "servers")
        return {
            host["address"]["socket_address"]["address"]
            for host in servers.get("host_statuses", [])
            if host["health_status"] == {"eds_health_status": "HEALTHY"}
        }


def http(port: int, path: str, method: str = "GET", *, address: str = LOOPBACK) -> tuple[int, str]:
    """Status and body of one HTTP request."""
    request = urllib.request.Request(f"http://{address}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def eventually(condition: Callable[[], bool], what: str, *, timeout_seconds: float = 60) -> None:
    """Wait until the condition holds; fail with what was awaited."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"awaited for {timeout_seconds} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port that is free on loopback now."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        return int(listening.getsockname()[1])


def _on_loopback(config: Any, ports: dict[int, int]) -> Any:
    if isinstance(config, list):
        return [_on_loopback(item, ports) for item in config]
    if not isinstance(config, dict):
        return config
    address = config.get("address")
    if address in (ANY, LOOPBACK) and config.get("port_value") in ports:
        return {"address": LOOPBACK, "port_value": ports[config["port_value"]]}
    return {key: _on_loopback(value, ports) for key, value in config.items()}


def await_healthy(envoy: RealEnvoy, *addresses: str) -> None:
    """Wait until an Envoy holds exactly these servers for healthy."""
    eventually(lambda: envoy.healthy_servers() == set(addresses), f"healthy are {addresses}")
