"""Preflight names each thing that a machine lacks, and objects to nothing else."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.preflight import (
    controller_objections,
    disk_objections,
    filesystem_objections,
    maker_objections,
    memory_objections,
    port_objections,
    privilege_objections,
    route_objections,
)

ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DEFAULT_ROUTE = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
OFFICE = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
TUNNEL = "tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
OWN_PODS = "sonic-cni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"

ALL_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
HERE = Path(tempfile.gettempdir())


@pytest.mark.parametrize(
    "objections",
    [
        privilege_objections("CapEff:\t000001ffffffffff\n"),
        maker_objections("go", [], "install Go"),
        controller_objections(ALL_CONTROLLERS),
        filesystem_objections("ext2/ext3"),
        route_objections(ROUTES + DEFAULT_ROUTE + OFFICE + OWN_PODS),
        memory_objections(16.0),
        disk_objections({HERE: 0.0}),
    ],
)
def test_a_machine_that_has_all_is_accepted(objections: Iterator[str]) -> None:
    assert list(objections) == []


@pytest.mark.parametrize(
    ("objections", "sentence"),
    [
        (privilege_objections("CapEff:\t0000000000001000\n"), "root with CAP_SYS_ADMIN and CAP_NET_ADMIN; use sudo"),
        (maker_objections("go", ["kubelet"], "install Go"), "go is not on PATH: kubelet must come from it; install Go"),
        (maker_objections("go", "abcdef", "install Go"), "a, b, c, d and 2 more must come from it"),
        (controller_objections(frozenset({"cpu"})), "cgroup controllers cpuset, memory, pids are not usable here"),
        (controller_objections(frozenset({"cpu", "pids"})), "(usable: cpu, pids)"),
        (controller_objections(frozenset()), "(usable: none)"),
        (filesystem_objections("overlayfs"), "lies on an overlay filesystem"),
        (route_objections(ROUTES + TUNNEL), "reaches 10.0.0.0/8 over tun0: that overlaps 10.123.0.0/24"),
        (memory_objections(3.9), "this machine has 3.9 GiB of memory: 7 are needed"),
        (disk_objections({HERE: 1e9, HERE / "x": 2e9}), "GiB free: 3000000000 GiB are needed; make room"),
    ],
)
def test_each_objection_is_a_sentence_with_the_value_found_and_the_way_out(
    objections: Iterator[str], sentence: str
) -> None:
    told = list(objections)
    assert sentence in told[0]
    assert all("\n" not in line for line in told)


def test_a_tunnel_over_all_private_addresses_clashes_with_each_of_our_networks() -> None:
    told = list(route_objections(ROUTES + TUNNEL))
    assert [network in line for network, line in zip(["10.123", "10.244", "10.96"], told, strict=True)] == [True] * 3


def test_a_port_is_taken_by_a_listener_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (told,) = port_objections({port: "kubelet"})
        assert told.startswith(f"port {port} is taken by process ")
        assert told.endswith("): kubelet needs it; stop that process")
        monkeypatch.setattr("devcluster.preflight.is_own", lambda _: True)
        assert list(port_objections({port: "kubelet"})) == []
    assert list(port_objections({port: "kubelet"})) == []
