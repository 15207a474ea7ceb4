"""Long programs are logged, explained when they fail, and end with us; packages start no service."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.toolchain import debian
from devcluster.toolchain.debian import services_stay_down
from devcluster.toolchain.process import run_logged


def _run(script: str, log: Path) -> list[str]:
    waited: list[str] = []
    run_logged(
        ["sh", "-c", script],
        title="a build",
        log=log,
        waiting=waited.append,
        environment=dict(os.environ),
        interruptible=True,
    )
    return waited


def test_output_goes_to_the_log_and_its_last_line_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log" / "build.log"
    waited = _run("echo one; echo two >&2; sleep 1.5", log)
    assert log.read_text() == "one\ntwo\n"
    assert waited[0].startswith("a build (")
    assert waited[0].endswith(") two")


def test_a_failure_shows_the_last_lines_and_where_the_rest_is(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with pytest.raises(DevClusterError) as raised:
        _run("seq 100; exit 7", log)
    first, *tail = str(raised.value).splitlines()
    assert first == f"a build failed with exit code 7; its last lines, from {log}:"
    assert tail == [str(number) for number in range(86, 101)]


def _start(script: str, log: Path, *, interruptible: bool) -> subprocess.Popen[bytes]:
    """Another process that runs a script with `run_logged`; the script prints its process id first."""
    # A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that.
    program = (
        "import os, pathlib, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from devcluster.toolchain.process import run_logged\n"
        "run_logged(['sh', '-c', sys.argv[2]], title='a build', log=pathlib.Path(sys.argv[1]),\n"
        f"           waiting=lambda _: None, environment=dict(os.environ), interruptible={interruptible})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(log), f"echo $$; {script}"], cwd=CHECKOUT, stderr=subprocess.DEVNULL
    )
    _until(lambda: log.exists() and log.read_text().endswith("\n"))
    return process


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: str) -> bool:
    status = Path("/proc") / pid / "status"
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_build_ends_with_the_killed_process_that_wanted_it(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with _start("exec sleep 600", log, interruptible=True) as wanted_by:
        pid = log.read_text().strip()
        assert _runs(pid)
        wanted_by.kill()
    _until(lambda: not _runs(pid))


def test_a_build_ends_with_its_children_when_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with _start("sleep 600 & echo $!; wait", log, interruptible=True) as wanted_by:
        _until(lambda: len(log.read_text().split()) == 2)
        pids = log.read_text().split()
        wanted_by.send_signal(signal.SIGINT)
    _until(lambda: not any(_runs(pid) for pid in pids))


def test_a_program_that_must_not_be_interrupted_finishes(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with _start("sleep 1.5; echo finished", log, interruptible=False) as wanted_by:
        wanted_by.send_signal(signal.SIGINT)
    assert log.read_text().endswith("finished\n")


def test_services_are_forbidden_to_start_only_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_stay_down(policy):
        assert subprocess.run([policy, "containerd", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_the_ban_on_services_is_lifted_after_a_failure_too(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(RuntimeError), services_stay_down(policy):
        raise RuntimeError
    assert not policy.exists()


def test_somebody_elses_policy_stays_as_it_is(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    with services_stay_down(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_our_policy_left_by_a_killed_run_is_removed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_stay_down(policy):
        left = policy.read_text()
    policy.write_text(left)
    with services_stay_down(policy):
        pass
    assert not policy.exists()


def test_without_root_the_command_to_type_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/apt-get")
    with pytest.raises(DevClusterError) as raised:
        debian.install(["etcd-server", "runc"], tmp_path / "log", lambda _: None)
    assert str(raised.value) == (
        "missing programs: only root can install etcd-server runc; run as root, or `apt-get install etcd-server runc`"
    )


def test_without_apt_get_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(DevClusterError) as raised:
        debian.install(["runc"], tmp_path / "log", lambda _: None)
    assert str(raised.value) == (
        "missing programs: apt-get is not on PATH to install runc; install these and run again"
    )
