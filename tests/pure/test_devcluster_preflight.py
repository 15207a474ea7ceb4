"""Verdicts on a machine, from facts about it."""

import dataclasses
import ipaddress
from pathlib import Path

import pytest

from devcluster.machine import filesystem_of, parse_listening_sockets, parse_routes
from devcluster.preflight import Disk, Facts, Listener, Route, objections

GOOD = Facts(
    privileged=True,
    python=(3, 11),
    has_go=True,
    can_install=True,
    missing_builds=("kubelet",),
    missing_packages=("etcd",),
    controllers=frozenset({"cpu", "cpuset", "memory", "pids"}),
    missing_features=(),
    state_filesystem="ext4",
    listeners=(),
    routes=(Route(network=ipaddress.IPv4Network("192.168.1.0/24"), link="eth0"),),
    memory_gib=16.0,
    disks=(Disk(folders=(Path("/var/lib/x"),), needed_gib=6.0, free_gib=60.0),),
)

FOREIGN = Listener(port=10250, holder="process 77 (/usr/bin/k3s agent)", own=False)


def test_a_machine_that_has_all_is_accepted() -> None:
    assert list(objections(GOOD)) == []


def test_ports_and_routes_of_our_own_cluster_are_no_objection() -> None:
    running = dataclasses.replace(
        GOOD,
        listeners=(dataclasses.replace(FOREIGN, own=True),),
        routes=(Route(network=ipaddress.IPv4Network("10.244.0.0/24"), link="sonic-cni0"),),
    )
    assert list(objections(running)) == []


def test_what_is_already_built_needs_no_go_and_what_is_installed_no_apt_get() -> None:
    warm = dataclasses.replace(GOOD, has_go=False, can_install=False, missing_builds=(), missing_packages=())
    assert list(objections(warm)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"privileged": False}, "the cluster needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN; use sudo"),
        ({"python": (3, 12)}, "Python is 3.12: the packages are locked for 3.11; install python3.11"),
        ({"has_go": False}, "go is not on PATH: kubelet must be built with it; install Go"),
        ({"has_go": False, "missing_builds": tuple("abcdef")}, "a, b, c, d and 2 more must be built"),
        ({"can_install": False}, "apt-get is not on PATH: etcd must be installed with it; use Debian"),
        ({"controllers": frozenset({"cpu"})}, "cgroup controllers cpuset, memory, pids are not usable here"),
        ({"controllers": frozenset({"cpu", "pids"})}, "(usable: cpu, pids)"),
        ({"controllers": frozenset[str]()}, "(usable: none)"),
        ({"missing_features": ("bridge netfilter",)}, "the kernel has no bridge netfilter and modprobe cannot load it"),
        ({"state_filesystem": "overlay"}, "lies on an overlay filesystem"),
        ({"listeners": (FOREIGN,)}, "port 10250 is taken by process 77 (/usr/bin/k3s agent): kubelet needs it"),
        (
            {"routes": (Route(network=ipaddress.IPv4Network("10.0.0.0/8"), link="tun0"),)},
            "this machine reaches 10.0.0.0/8 over tun0: that overlaps 10.123.0.0/24",
        ),
        ({"memory_gib": 3.9}, "this machine has 3.9 GiB of memory: 7 are needed"),
        (
            {"disks": (Disk(folders=(Path("/var/cache/x"), Path("/root")), needed_gib=30.0, free_gib=12.34),)},
            "the disk of /var/cache/x, /root has 12.3 GiB free: 30 GiB are needed; make room",
        ),
    ],
)
def test_each_lack_is_told_in_a_sentence(change: dict[str, object], sentence: str) -> None:
    told = list(objections(dataclasses.replace(GOOD, **change)))  # type: ignore[arg-type]
    assert sentence in told[0]
    assert all("\n" not in line for line in told)


def test_a_tunnel_over_all_private_addresses_clashes_with_each_of_our_networks() -> None:
    tunnel = dataclasses.replace(GOOD, routes=(Route(network=ipaddress.IPv4Network("10.0.0.0/8"), link="tun0"),))
    told = list(objections(tunnel))
    assert [network in line for network, line in zip(["10.123", "10.244", "10.96"], told, strict=True)] == [True] * 3


def test_listening_sockets_are_read_and_others_left_out() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:403B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n"
        "   1: 0100007F:403B 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0\n"
    )
    table6 = "header\n   0: 00000000000000000000000000000000:280A 00:0 0A 0 0 0 0 0 777 1\n"
    assert parse_listening_sockets([table, table6]) == {4242: 16443, 777: 10250}


def test_routes_are_read_without_the_default_route() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert parse_routes(table) == (Route(network=ipaddress.IPv4Network("192.0.2.0/24"), link="eth0"),)


def test_the_filesystem_of_a_folder_is_that_of_the_deepest_and_latest_mount() -> None:
    mounts = "overlay / overlay rw 0 0\n/dev/a /var ext4 rw 0 0\n/dev/b /var xfs rw 0 0\ntmpfs /var/libx tmpfs rw 0 0\n"
    assert filesystem_of(Path("/var/lib/x"), mounts) == "xfs"
    assert filesystem_of(Path("/srv"), mounts) == "overlay"
