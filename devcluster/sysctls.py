"""Kernel settings that a node needs: set for the life of the cluster, put back after it.

The originals are written down before the first change and that record lasts until `restore`, so a run that was
killed half-way never takes our own values for the machine's.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.files import write
from devcluster.paths import STATE

WANTED: dict[str, str] = {
    "net.ipv4.ip_forward": "1",  # from the pods' bridge to the Services and the outside
    "net.ipv4.conf.all.route_localnet": "1",  # NodePorts on 127.0.0.1
    "net.bridge.bridge-nf-call-iptables": "1",  # a pod that reaches its neighbour by the Service's address
    "fs.inotify.max_user_instances": "1024",  # each pod's log reader and mounted ConfigMap takes one of 128
    # What the kubelet wants to find (`protectKernelDefaults`); it would set them itself and never put them back.
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}

MODULES = ("br_netfilter", "overlay")
RECORD = STATE / "sysctls.json"
PROC_SYS = Path("/proc/sys")


def apply() -> None:
    """Load the kernel modules, write the originals down (once), and set what a node needs."""
    if shutil.which("modprobe"):  # a kernel without modules has them built in, or preflight has refused it
        subprocess.run(["modprobe", "--all", "--quiet", *MODULES], check=False)
    current = {name: _read(name) for name in WANTED}
    if not RECORD.exists():
        write(RECORD, json.dumps(current, indent=2))
    for name, value in differing(current, WANTED).items():
        _path(name).write_text(value)


def originals() -> dict[str, str]:
    """What the settings were before the cluster; empty where none are recorded, because none were changed."""
    recorded: dict[str, str] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return recorded


def restore() -> None:
    """Put the originals back and forget them; does nothing where none are recorded."""
    for name, value in changed(originals()).items():
        _path(name).write_text(value)
    RECORD.unlink(missing_ok=True)


def changed(original: Mapping[str, str]) -> dict[str, str]:
    """Those of the original settings that the kernel does not have now."""
    return differing({name: _read(name) for name in original}, original)


def differing(current: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """The entries of `target` that `current` does not have yet."""
    return {name: value for name, value in target.items() if current.get(name) != value}


def _read(name: str) -> str:
    return _path(name).read_text().strip()


def _path(name: str) -> Path:
    return PROC_SYS / name.replace(".", "/")
