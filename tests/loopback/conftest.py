"""Real Envoy on loopback before stand-ins for Triton on 127.0.1.N."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.envoy import AdmissionArgs
from components.envoy.bootstrap import bootstrap
from components.envoy.feature import CONFIG_FOLDER
from components.envoy.features import features
from components.envoy.typed import Config
from components.naming import Naming
from components.timing import Timing
from stacks.schema.clients import Clients, NetworkClients
from stacks.schema.experiment import Traffic
from stacks.schema.exposure import ClusterIpExposure, WayIn
from stacks.schema.site import Proxy
from stacks.schema.tracing import Tracing
from testbed.loopback import free_port
from testbed.real_envoy import ARGUMENTS, RealEnvoy
from testbed.stand_in import StandIn
from tests.support.configs import stack_config
from tests.support.proxy_args import proxy_args
from tests.support.server_pools import a_pool

ANYONE = NetworkClients(kind="network")
DEFAULT_PROXY, DEFAULT_TRAFFIC = Proxy(), Traffic()
Servers = Callable[[int], list[StandIn]]
Envoys = Callable[..., RealEnvoy]


@pytest.fixture(scope="session")
def server_port() -> int:
    """One port that is free on many addresses, since all servers in pods use the same."""
    return free_port()


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """Stops everything that a test started, in reverse order."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def servers(started: ExitStack, server_port: int) -> Servers:
    """Starts the given number of stand-ins, on 127.0.1.1 and the next addresses."""
    return lambda number: [started.enter_context(StandIn(f"127.0.1.{n}", server_port)) for n in range(1, number + 1)]


@pytest.fixture
def envoy(started: ExitStack, server_port: int, tmp_path: Path) -> Envoys:
    """Starts an Envoy before pools given as tuples of addresses, in order of preference."""

    def start(
        *pools: tuple[str, ...],
        arguments: tuple[str, ...] = (),
        change: Callable[[Config], None] | None = None,
        clients: Clients = ANYONE,
        files: Mapping[str, str] | None = None,
        admission: AdmissionArgs | None = None,
        proxy: Proxy = DEFAULT_PROXY,
        traffic: Traffic = DEFAULT_TRAFFIC,
        stateful: bool = False,
        tls_secret: str | None = None,
        log: Path | None = None,
        ip_families: tuple[str, ...] = ("IPv4",),
        tracing: Tracing | None = None,
    ) -> RealEnvoy:
        endpoints = [
            a_pool(name=f"pool-{priority}", host=host, port=server_port, priority=priority)
            for priority, hosts in enumerate(pools)
            for host in hosts
        ]
        config = stack_config()
        args = proxy_args(
            config,
            naming=Naming(instance=config.name, namespace=config.namespace, ip_families=ip_families),
            pools=endpoints,
            proxy=proxy,
            traffic=traffic,
            timing=Timing.of(traffic),
            clients=clients,
            ways_in=(
                WayIn(
                    service="sonic-test-envoy",
                    exposure=ClusterIpExposure(kind="cluster-ip", client_cidrs=("127.0.0.0/8",), tls_secret=tls_secret),
                ),
            ),
            admission=admission,
            stateful=stateful,
            tracing=tracing,
        )
        written = bootstrap(args)
        if change:
            change(written)
        made = {f"{CONFIG_FOLDER}/{name}": text for part in features(args) for name, text in part.files.items()}
        return started.enter_context(
            RealEnvoy(written, tmp_path, arguments=(*ARGUMENTS, *arguments), files={**made, **(files or {})}, log=log)
        )

    return start
