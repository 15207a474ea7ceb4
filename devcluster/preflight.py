"""Whether this machine can run the cluster; judged from facts, before anything on it is changed."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import cgroups
from devcluster.addresses import HOST_PORTS, NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK
from devcluster.network import OWN_LINKS
from devcluster.paths import STATE

PYTHON = (3, 11)

MEMORY_GIB = 7.0
"""A machine sold as 8 GiB shows less. The cluster with the dev stack takes about 4, a cold build 3 more."""

STATE_GIB = 5.0
"""The images as containerd unpacks them, etcd and the logs: 2 measured."""

CACHE_GIB = 5.0
"""What was built, when nothing is there yet: 3 measured."""

GO_CACHES_GIB = 18.0
"""Modules and compiled packages under the user's home, when nothing is there yet: 16 measured."""

SHOWN_NAMES = 4

NETWORKS = {"node": NODE_NETWORK, "pods": POD_NETWORK, "Services": SERVICE_NETWORK}


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port that some process listens on.

    Args:
        holder: which process, for people.
        own: it belongs to the cluster.
    """

    port: int
    holder: str
    own: bool


@dataclass(frozen=True, kw_only=True)
class Route:
    """A network that the machine reaches over a link."""

    network: ipaddress.IPv4Network
    link: str


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Free space on a disk that the cluster will fill, in GiB.

    Args:
        folders: those of ours that lie on it.
    """

    folders: tuple[Path, ...]
    needed_gib: float
    free_gib: float


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the verdict stands on.

    Args:
        privileged: we are root and hold CAP_SYS_ADMIN and CAP_NET_ADMIN.
        python: (major, minor) of the interpreter.
        has_go: whether Go is there to build with.
        can_install: whether apt-get is there to install with.
        missing_builds: programs that must still be built.
        missing_packages: programs that must still be installed.
        controllers: cgroup controllers under which a cgroup can be made, of either version.
        missing_features: kernel features that are neither there nor loadable.
        state_filesystem: type of the filesystem that will hold the containers.
        listeners: on ports that the cluster wants.
        routes: all but the default route.
        memory_gib: total memory.
        disks: where space is needed.
    """

    privileged: bool
    python: tuple[int, int]
    has_go: bool
    can_install: bool
    missing_builds: tuple[str, ...]
    missing_packages: tuple[str, ...]
    controllers: frozenset[str]
    missing_features: tuple[str, ...]
    state_filesystem: str
    listeners: tuple[Listener, ...]
    routes: tuple[Route, ...]
    memory_gib: float
    disks: tuple[Disk, ...]


def objections(facts: Facts) -> Iterator[str]:
    """What stands against running the cluster here: thing, value found, rule, way out."""
    if not facts.privileged:
        yield (
            "this user may not make network links, mounts and cgroups: the cluster needs root with CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN; use sudo, or a machine (or privileged container) of your own"
        )
    yield from _program_objections(facts)
    yield from _kernel_objections(facts)
    yield from _port_objections(facts.listeners)
    yield from _route_objections(facts.routes)
    yield from _size_objections(facts)


def _program_objections(facts: Facts) -> Iterator[str]:
    if facts.python != PYTHON:
        found, wanted = _dotted(facts.python), _dotted(PYTHON)
        yield f"Python is {found}: the packages are locked for {wanted}; install python{wanted} and run `make up`"
    if facts.missing_builds and not facts.has_go:
        yield (
            f"go is not on PATH: {_listed(facts.missing_builds)} must be built with it; install Go (https://go.dev/dl)"
        )
    if facts.missing_packages and not facts.can_install:
        yield (
            f"apt-get is not on PATH: {_listed(facts.missing_packages)} must be installed with it; "
            "use Debian or Ubuntu, or install them by this machine's own means"
        )


def _kernel_objections(facts: Facts) -> Iterator[str]:
    missing = sorted(cgroups.NEEDED_CONTROLLERS - facts.controllers)
    if missing:
        have = ", ".join(sorted(facts.controllers)) or "none"
        yield (
            f"cgroup controllers {', '.join(missing)} are not usable here (usable: {have}): the kubelet needs them; "
            "run outside a container, or in one with its own writable cgroup tree (--privileged --cgroupns=private)"
        )
    for feature in facts.missing_features:
        yield f"the kernel has no {feature} and modprobe cannot load it: pods need it; use a kernel that has it"
    if facts.state_filesystem == "overlay":
        yield (
            f"{STATE} lies on an overlay filesystem, which cannot carry the containers' own; "
            "mount a volume with ext4 or xfs there"
        )


def _port_objections(listeners: Iterable[Listener]) -> Iterator[str]:
    for listener in listeners:
        if not listener.own:
            yield (
                f"port {listener.port} is taken by {listener.holder}: "
                f"{HOST_PORTS[listener.port]} needs it; stop that process"
            )


def _route_objections(routes: Iterable[Route]) -> Iterator[str]:
    for route in routes:
        for user, network in NETWORKS.items():
            if route.link not in OWN_LINKS and route.network.overlaps(ipaddress.IPv4Network(network)):
                yield (
                    f"this machine reaches {route.network} over {route.link}: that overlaps {network}, which the "
                    f"cluster takes for its {user}; disconnect {route.link}, or change devcluster/addresses.py"
                )


def _size_objections(facts: Facts) -> Iterator[str]:
    if facts.memory_gib < MEMORY_GIB:
        yield f"this machine has {facts.memory_gib:.1f} GiB of memory: {MEMORY_GIB:.0f} are needed; use a larger one"
    for disk in facts.disks:
        if disk.free_gib < disk.needed_gib:
            yield (
                f"the disk of {', '.join(map(str, disk.folders))} has {disk.free_gib:.1f} GiB free: "
                f"{disk.needed_gib:.0f} GiB are needed; make room, or mount a larger disk there"
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
