"""The bench with servers in Slurm jobs, and one in a pod."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.errors import BenchmarkError
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import SERVICE_NAME, ours
from benchmarks.offload.slurm_stack import JobServer, SlurmStack
from components.triton import GRPC_PORT
from devcluster.wait import wait_while
from testbed.dns_stub import DnsStub, Zone

_REST_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class OffloadLab(Bench):
    """One run's equipment."""

    stack: SlurmStack
    pod_address: str
    """IP address of the server in a pod."""
    envoy_binary: Path

    def rest(self, servers: int = 1) -> None:
        """Scale to so many servers, and wait until every Envoy knows them and no change is in progress.

        Raises:
            DevClusterError: the stack is not at rest within the time limit.
        """
        self.stack.scale(servers)
        wait_while(
            lambda: self.stack.unrest(servers),
            timeout_seconds=_REST_PATIENCE_SECONDS,
            interval_seconds=_POLL_SECONDS,
            waiting=self.progress.waiting,
            hint="see `squeue` and the files of the jobs: devcluster/slurm/README.md",
        )

    def server(self) -> JobServer:
        """Return the only server in a job, once the stack is at rest.

        Raises:
            BenchmarkError: there is none, or another one.
        """
        self.rest()
        servers = self.stack.servers()
        if len(servers) != 1:
            msg = f"the stack has {len(servers)} servers and is to have 1: did its job end?"
            raise BenchmarkError(msg)
        return servers[0]

    @contextmanager
    def envoy_before(self, address: str) -> Iterator[str]:
        """Start an Envoy of ours on this machine before one server, and yield its `host:port`."""
        with (
            DnsStub(Zone(name=SERVICE_NAME, addresses=(address,))) as dns,
            Envoy(
                binary=self.envoy_binary,
                side=ours(server_port=GRPC_PORT),
                dns_port=dns.port,
                directory=self.scratch,
                core=self.cores.servers,
            ) as envoy,
        ):
            envoy.await_members(1)
            yield envoy.target


def grpc_target(address: str) -> str:
    """Return `host:port` of the server at an address."""
    return f"{address}:{GRPC_PORT}"
