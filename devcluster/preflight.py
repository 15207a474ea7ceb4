"""Judges whether this machine can run the cluster, before anything on it is changed.

Each objection is a sentence: the thing, the value found, the rule, the way out.
"""

import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from devcluster import cgroups
from devcluster.addresses import HOST_PORTS, NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK
from devcluster.errors import DevClusterError
from devcluster.network import OWN_LINKS
from devcluster.node import has_capability
from devcluster.paths import CACHE, STATE
from devcluster.pids import describe, is_own
from devcluster.toolchain import Toolchain
from devcluster.toolchain.found import find
from devcluster.toolchain.programs import TOOLS, DebianProgram

GIB = 2**30

# Figures: docs/adr/2026-11-26-dev-cluster-credentials-and-teardown.md.
MEMORY_GIB = 7.0
"""For the cluster, the dev stack and a cold build. A machine sold as 8 GiB shows less than 8."""

STATE_GIB = 5.0
"""For the images as containerd unpacks them, etcd and the logs."""

CACHE_GIB = 5.0
"""For all builds, when there are none yet."""

GO_CACHES_GIB = 18.0
"""For Go modules and compiled packages under the user's home, when there are none yet."""

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
SHOWN_NAMES = 4

NETWORKS = {"node": NODE_NETWORK, "pods": POD_NETWORK, "Services": SERVICE_NETWORK}


def check_machine(toolchain: Toolchain, tools: Iterable[str]) -> None:
    """Return if this machine can run the cluster.

    Args:
        toolchain: knows which tools are missing.
        tools: those that this cluster needs.

    Raises:
        DevClusterError: it cannot; one sentence for each reason.
    """
    if reasons := list(objections(toolchain, tools)):
        raise DevClusterError("\n".join(reasons))


def objections(toolchain: Toolchain, tools: Iterable[str]) -> Iterator[str]:
    """Look at the machine and yield each reason against running the cluster on it."""
    missing = toolchain.missing(tools)
    packages = [name for name in missing if isinstance(TOOLS[name], DebianProgram)]
    builds = [name for name in missing if name not in packages]
    yield from privilege_objections(Path("/proc/self/status").read_text())
    if find("go", outside=Path(os.devnull)) is None:
        yield from maker_objections("go", builds, "install Go (https://go.dev/dl)")
    if shutil.which("apt-get") is None:
        yield from maker_objections("apt-get", packages, "use Debian or Ubuntu, or install them by other means")
    yield from controller_objections(cgroups.usable_controllers())
    yield from _feature_objections()
    stat = ["stat", "--file-system", "--format=%T", str(_existing(STATE))]
    yield from filesystem_objections(subprocess.check_output(stat, text=True))
    yield from port_objections(HOST_PORTS)
    yield from route_objections(Path("/proc/net/route").read_text())
    yield from memory_objections(psutil.virtual_memory().total / GIB)
    yield from disk_objections({STATE: STATE_GIB} | ({CACHE: CACHE_GIB, Path.home(): GO_CACHES_GIB} if builds else {}))


def privilege_objections(status: str) -> Iterator[str]:
    """Judge the capabilities in the text of `/proc/self/status`."""
    if not all(has_capability(status, capability) for capability in (CAP_SYS_ADMIN, CAP_NET_ADMIN)):
        yield (
            "this user may not make network links, mounts and cgroups: the cluster needs root with CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN; use sudo, or a machine (or privileged container) of your own"
        )


def maker_objections(maker: str, missing: Sequence[str], way_out: str) -> Iterator[str]:
    """Judge the missing programs on a machine without Go, which builds them, or apt-get, which installs them."""
    if missing:
        shown = ", ".join(missing[:SHOWN_NAMES])
        more = f" and {len(missing) - SHOWN_NAMES} more" if len(missing) > SHOWN_NAMES else ""
        yield f"{maker} is not on PATH: {shown}{more} must come from it; {way_out}"


def controller_objections(usable: frozenset[str]) -> Iterator[str]:
    """Judge the cgroup controllers under which a cgroup can be made, of either version."""
    missing = sorted(cgroups.NEEDED_CONTROLLERS - usable)
    if missing:
        yield (
            f"cgroup controllers {', '.join(missing)} are not usable here (usable: "
            f"{', '.join(sorted(usable)) or 'none'}): the kubelet needs them; "
            "run outside a container, or in one with its own writable cgroup tree (--privileged --cgroupns=private)"
        )


def _feature_objections() -> Iterator[str]:
    present = {
        "overlay": "\toverlay\n" in Path("/proc/filesystems").read_text(),
        "br_netfilter": Path("/proc/sys/net/bridge").is_dir(),
    }
    for module, is_present in present.items():
        if not (is_present or _is_loadable(module)):
            yield f"the kernel has no {module} and modprobe cannot load it: pods need it; use a kernel that has it"


def _is_loadable(module: str) -> bool:
    modprobe = shutil.which("modprobe")
    command = [modprobe or "", "--dry-run", "--quiet", module]
    return modprobe is not None and subprocess.run(command, check=False).returncode == 0


def filesystem_objections(kind: str) -> Iterator[str]:
    """Judge the type of the filesystem that will hold the containers."""
    if kind.startswith("overlay"):
        yield (
            f"{STATE} lies on an overlay filesystem, which cannot carry the containers' own; "
            "mount a volume with ext4 or xfs there"
        )


def port_objections(wanted: Mapping[int, str]) -> Iterator[str]:
    """Judge the processes that listen on ports that ours need, by port."""
    listeners = {
        (connection.laddr.port, connection.pid)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port in wanted
    }
    for port, pid in listeners:
        if pid is None or not is_own(pid):
            holder = "a process that we cannot see" if pid is None else describe(pid)
            yield f"port {port} is taken by {holder}: {wanted[port]} needs it; stop that process"


def route_objections(table: str) -> Iterator[str]:
    """Judge the text of `/proc/net/route`; the default route overlaps nothing."""
    for line in table.splitlines()[1:]:
        link, destination, _, _, _, _, _, mask, *_ = line.split()
        reached = ipaddress.IPv4Network((_address(destination), str(_address(mask))))
        for user, network in NETWORKS.items():
            if reached.prefixlen > 0 and link not in OWN_LINKS and reached.overlaps(ipaddress.IPv4Network(network)):
                yield (
                    f"this machine reaches {reached} over {link}: that overlaps {network}, which the "
                    f"cluster takes for its {user}; disconnect {link}, or change devcluster/addresses.py"
                )


def _address(hexadecimal: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(hexadecimal), sys.byteorder))


def memory_objections(total_gib: float) -> Iterator[str]:
    """Judge the machine's memory."""
    if total_gib < MEMORY_GIB:
        yield f"this machine has {total_gib:.1f} GiB of memory: {MEMORY_GIB:.0f} are needed; use a larger one"


def disk_objections(needs_gib: Mapping[Path, float]) -> Iterator[str]:
    """Judge the free space of each disk, by what all our folders on it need together."""
    by_disk: dict[int, list[Path]] = {}
    for folder in needs_gib:
        by_disk.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    for folders in by_disk.values():
        needed = sum(needs_gib[folder] for folder in folders)
        free = shutil.disk_usage(_existing(folders[0])).free / GIB
        if free < needed:
            yield (
                f"the disk of {', '.join(map(str, folders))} has {free:.1f} GiB free: "
                f"{needed:.0f} GiB are needed; make room, or mount a larger disk there"
            )


def _existing(folder: Path) -> Path:
    return next(place for place in [folder, *folder.parents] if place.exists())
