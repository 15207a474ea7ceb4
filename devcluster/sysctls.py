"""Kernel settings that a node needs: set for the life of the cluster, put back after it.

The originals are written down before the first change, and that record lasts until `restore`: a second `up`, or one
after a killed run, never takes our own values for the machine's.
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
    # Required by the kubelet (`protectKernelDefaults`); else it would set them itself and never put them back.
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
    if not RECORD.exists():
        write(RECORD, json.dumps({name: _path(name).read_text().strip() for name in WANTED}, indent=2))
    _set(WANTED)


def originals() -> dict[str, str]:
    """Return the settings as they were before the cluster; empty if none were changed."""
    recorded: dict[str, str] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return recorded


def restore() -> None:
    """Put the originals back and forget them; does nothing if none are recorded."""
    _set(originals())
    RECORD.unlink(missing_ok=True)


def changed(settings: Mapping[str, str]) -> dict[str, str]:
    """Return those of the settings for which the kernel has another value now."""
    return {name: value for name, value in settings.items() if _path(name).read_text().strip() != value}


def _set(settings: Mapping[str, str]) -> None:
    for name, value in changed(settings).items():
        _path(name).write_text(value)


def _path(name: str) -> Path:
    return PROC_SYS / name.replace(".", "/")
