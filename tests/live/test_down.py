"""`down` leaves the machine as it was; looked for by other means than its own. Runs after all other live tests."""

import subprocess
from pathlib import Path

import pytest

from devcluster.addresses import CLUSTER_NAME, NODE_LINK, POD_BRIDGE
from devcluster.paths import RUN, STATE
from tests.support.dev_cluster import Cluster

pytestmark = pytest.mark.live


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [*root.glob("**/kubepods"), *root.glob("*/slurm_*")]


def traces() -> dict[str, list[str]]:
    """Lines that speak of the cluster, by where they were found."""
    own = (str(STATE), str(RUN), f"/{CLUSTER_NAME}/", NODE_LINK, POD_BRIDGE, "KUBE-", "CNI-", "/slurm_")
    texts = {
        "processes": output("ps", "-eo", "args"),
        "containers": output("sh", "-c", "cat /proc/[0-9]*/cgroup 2>/dev/null || true"),
        "mounts": Path("/proc/mounts").read_text(),
        "links": output("ip", "-oneline", "link"),
        "routes": output("ip", "route", "show", "table", "all"),
        "rules": output("iptables-save") + output("ip6tables-save"),
        "cgroups": "".join(f"{path}/\n" for path in _cgroups()),
        "sockets": Path("/proc/net/unix").read_text(),
        "files": "".join(f"{path}\n" for folder in ("/run", "/var/lib") for path in Path(folder).glob("*")),
    }
    return {
        place: found
        for place, text in texts.items()
        if (found := [line for line in text.splitlines() if any(name in line for name in own)])
    }


def kernel_settings() -> str:
    return output("sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "fs.inotify.max_user_instances")


def test_down_leaves_nothing_and_may_be_repeated(cluster: Cluster) -> None:
    assert len(traces()) == 9, "the search must find a cluster that runs in each of its places"
    changed = kernel_settings()
    for _ in range(2):
        result = cluster.command("down")
        assert result.returncode == 0, result.stderr
        assert traces() == {}
    assert kernel_settings() != changed
    status = cluster.command("status")
    assert (status.returncode, status.stdout) == (1, "The cluster is down. `make up` starts it.\n")
