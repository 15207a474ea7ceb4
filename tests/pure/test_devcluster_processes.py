"""The supervisor's configuration and the processes in it."""

import configparser
import dataclasses
import shlex
from pathlib import Path

import pytest
import yaml
from supervisor.options import ServerOptions

from devcluster import processes, supervisor
from devcluster.addresses import HOST_PORTS
from devcluster.files import write
from devcluster.node import (
    containerd_configuration,
    has_capability,
    kube_proxy_configuration,
    kubelet_configuration,
    pod_resolv_conf,
)
from devcluster.processes import Process
from devcluster.supervisor import configuration

AWKWARD = Process(
    name="awkward",
    command=("/bin/a program", "--format=%Y", 'quote"d', "it's"),
    address="http://127.0.0.1:1",
    health=None,
    reads=(),
)


def _program(name: str) -> Path:
    return Path("/cache") / name


def test_supervisord_runs_commands_with_special_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, quotes and per cent signs are all special to it."""
    for folder in ("LOGS", "RUN"):  # it looks whether they are there
        monkeypatch.setattr(supervisor, folder, tmp_path)
    path = tmp_path / "supervisord.conf"
    path.write_text(configuration([AWKWARD]))
    options = ServerOptions()
    options.realize(["--configuration", str(path), "--nodaemon"])
    (group,) = options.process_group_configs
    (program,) = group.process_configs
    assert tuple(shlex.split(program.command)) == AWKWARD.command


def test_a_changed_file_restarts_only_the_process_that_reads_it(tmp_path: Path) -> None:
    reader = dataclasses.replace(AWKWARD, name="reader", reads=(tmp_path / "config",))

    def sections() -> dict[str, dict[str, str]]:
        parser = configparser.RawConfigParser()
        parser.read_string(configuration([AWKWARD, reader]))
        return {name: dict(parser[name]) for name in parser.sections()}

    (tmp_path / "config").write_text("a")
    before = sections()
    (tmp_path / "config").write_text("b")
    after = sections()
    assert [name for name in after if after[name] != before[name]] == ["program:reader"]


def test_every_log_is_bounded() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(configuration([AWKWARD]))
    assert int(parser["program:awkward"]["stdout_logfile_maxbytes"]) > 0
    assert int(parser["supervisord"]["logfile_maxbytes"]) > 0


def test_preflight_checks_every_port_of_an_address() -> None:
    known = {str(port) for port in HOST_PORTS}
    every = [*processes.every(_program), *processes.slurm(_program)]
    urls = [text for process in every for text in (process.address, process.health or "") if "://" in text]
    assert {url.split(":")[2].split("/")[0] for url in urls} <= known


@pytest.mark.parametrize(("effective", "held"), [("000001fffeffffff", False), ("000001ffffffffff", True)])
def test_cap_sys_resource_is_read_from_the_status(effective: str, held: bool) -> None:
    assert has_capability(f"Name:\tx\nCapPrm:\t0\nCapEff:\t{effective}\n", 24) is held


def test_containerd_restricts_oom_scores_only_without_cap_sys_resource() -> None:
    assert "restrict_oom_score_adj = true" in containerd_configuration(can_lower_oom_score=False)
    assert "restrict_oom_score_adj = false" in containerd_configuration(can_lower_oom_score=True)


def test_the_kubelet_accepts_cgroup_version_1_and_keeps_all_images() -> None:
    settings = kubelet_configuration()
    assert settings["failCgroupV1"] is False
    assert settings["imageGCHighThresholdPercent"] == 100  # kubelet: 100 switches image garbage collection off


def test_node_ports_are_offered_on_this_machine_alone() -> None:
    assert kube_proxy_configuration()["nodePortAddresses"] == ["127.0.0.0/8", "10.123.0.0/24"]


def test_configurations_are_yaml_that_survives_a_round_trip() -> None:
    for settings in (kubelet_configuration(), kube_proxy_configuration()):
        assert yaml.safe_load(yaml.safe_dump(settings)) == settings


def test_pods_get_neither_the_loopback_resolver_nor_the_search_domains_of_the_machine() -> None:
    machine = "# stub\nnameserver 127.0.0.53\nnameserver 192.0.2.7\nnameserver fe80::1%eth0\nsearch corp.example\n"
    assert pod_resolv_conf(machine) == "nameserver 192.0.2.7\nnameserver fe80::1%eth0\n"


def test_writing_the_same_again_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write(path, "a", 0o600)
    before = path.stat()
    write(path, "a", 0o600)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert path.stat().st_mode & 0o777 == 0o600
