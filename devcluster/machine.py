"""Gathers the facts about this machine that `preflight` judges."""

import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from devcluster import cgroups
from devcluster.addresses import HOST_PORTS
from devcluster.errors import DevClusterError
from devcluster.node import has_capability
from devcluster.paths import CACHE, STATE
from devcluster.pids import PROC, command_of, is_own
from devcluster.preflight import CACHE_GIB, GO_CACHES_GIB, STATE_GIB, Disk, Facts, Listener, Route, objections
from devcluster.toolchain import Toolchain
from devcluster.toolchain.found import find
from devcluster.toolchain.table import TOOLS, DebianProgram

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
GIB = 2**30
SHOWN_CHARACTERS = 60

FEATURES = {"overlay": "overlay", "br_netfilter": "bridge netfilter"}
"""Kernel modules that pods need, and what to call them."""


def check_machine(toolchain: Toolchain) -> None:
    """Do nothing if this machine can run the cluster.

    Raises:
        DevClusterError: it cannot; one sentence for each reason.
    """
    reasons = list(objections(gather(toolchain)))
    if reasons:
        raise DevClusterError("\n".join(reasons))


def gather(toolchain: Toolchain) -> Facts:
    """Look at the machine; changes nothing."""
    missing = toolchain.missing(TOOLS)
    packaged = tuple(name for name in missing if isinstance(TOOLS[name], DebianProgram))
    builds = tuple(name for name in missing if name not in packaged)
    status = Path("/proc/self/status").read_text()
    return Facts(
        privileged=all(has_capability(status, capability) for capability in (CAP_SYS_ADMIN, CAP_NET_ADMIN)),
        python=sys.version_info[:2],
        has_go=find("go", outside=Path(os.devnull)) is not None,
        can_install=shutil.which("apt-get") is not None,
        missing_builds=builds,
        missing_packages=packaged,
        controllers=cgroups.usable_controllers(),
        missing_features=tuple(name for module, name in FEATURES.items() if not _has_feature(module)),
        state_filesystem=filesystem_of(STATE, Path("/proc/self/mounts").read_text()),
        listeners=_listeners(),
        routes=parse_routes(Path("/proc/net/route").read_text()),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB,
        disks=_disks(cold=bool(builds)),
    )


def _has_feature(module: str) -> bool:
    present = {
        "overlay": "\toverlay\n" in Path("/proc/filesystems").read_text(),
        "br_netfilter": Path("/proc/sys/net/bridge").is_dir(),
    }
    return present[module] or _is_loadable(module)


def _is_loadable(module: str) -> bool:
    modprobe = shutil.which("modprobe")
    if modprobe is None:
        return False
    return subprocess.run([modprobe, "--dry-run", "--quiet", module], check=False).returncode == 0


def _disks(*, cold: bool) -> tuple[Disk, ...]:
    needs = {STATE: STATE_GIB}
    if cold:
        needs |= {CACHE: CACHE_GIB, Path.home(): GO_CACHES_GIB}
    by_device: dict[int, list[Path]] = {}
    for folder in needs:
        by_device.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    return tuple(
        Disk(
            folders=tuple(folders),
            needed_gib=sum(needs[folder] for folder in folders),
            free_gib=shutil.disk_usage(_existing(folders[0])).free / GIB,
        )
        for folders in by_device.values()
    )


def _existing(folder: Path) -> Path:
    return next(place for place in [folder, *folder.parents] if place.exists())


def filesystem_of(folder: Path, mounts: str) -> str:
    """The type of the filesystem that holds a folder.

    Args:
        folder: absolute; it need not exist.
        mounts: text of `/proc/self/mounts`; of two mounts at one place the later one counts.
    """
    found = [(Path(line.split()[1]), line.split()[2]) for line in mounts.splitlines()]
    holding = [(len(point.parts), kind) for point, kind in found if folder.is_relative_to(point)]
    deepest = max(depth for depth, _ in holding)
    return [kind for depth, kind in holding if depth == deepest][-1]


def parse_routes(table: str) -> tuple[Route, ...]:
    """The networks in the text of `/proc/net/route`, without the default route."""
    routes = []
    for line in table.splitlines()[1:]:
        link, destination, _, _, _, _, _, mask, *_ = line.split()
        network = ipaddress.IPv4Network((_address(destination), str(_address(mask))))
        if network.prefixlen > 0:
            routes.append(Route(network=network, link=link))
    return tuple(routes)


def _address(hexadecimal: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(hexadecimal), sys.byteorder))


def _listeners() -> tuple[Listener, ...]:
    sockets = parse_listening_sockets(
        Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6") if Path(f"/proc/net/{table}").exists()
    )
    wanted = {inode: port for inode, port in sockets.items() if port in HOST_PORTS}
    owners = _owners(wanted) if wanted else {}
    return tuple(_listener(port, owners.get(inode, 0)) for inode, port in wanted.items())


def _listener(port: int, pid: int) -> Listener:
    holder = f"process {pid} ({command_of(pid)[:SHOWN_CHARACTERS]})" if pid else "a process that we cannot see"
    return Listener(port=port, holder=holder, own=is_own(pid))


def parse_listening_sockets(tables: Iterable[str]) -> dict[int, int]:
    """Port by inode of every listening socket in the texts of `/proc/net/tcp` and `tcp6`."""
    listening = "0A"
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return {int(row[9]): int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == listening}


def _owners(inodes: Iterable[int]) -> dict[int, int]:
    """Pid by inode of socket."""
    names = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, int] = {}
    for descriptor in PROC.glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
        except OSError:  # ended meanwhile
            continue
        if target in names:
            owners[names[target]] = int(descriptor.parts[2])
    return owners
