"""A build is there whole under its key, or not at all."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.toolchain.store import Store, key_of


def _never(what: str) -> None:
    pytest.fail(f"waited for {what}")


def test_a_build_appears_only_when_finished(tmp_path: Path) -> None:
    store = Store(tmp_path / "bin")
    place = store.directory("kubelet-k1")
    with store.lock("go", _never), store.publish("kubelet-k1") as directory:
        (directory / "kubelet").write_text("whole")
        assert not place.exists()
    assert (place / "kubelet").read_text() == "whole"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build() -> None:
        with Store(tmp_path).publish("kubelet-k1") as directory:
            (directory / "kubelet").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_not_taken_for_a_build_and_goes_with_the_next(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from devcluster.toolchain.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]))\n"
        "with store.lock('go', print), store.publish('kubelet-k1') as directory:\n"
        "    (directory / 'kubelet').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=CHECKOUT, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert not store.directory("kubelet-k1").exists()
    with store.lock("go", _never), store.publish("kube-proxy-k2") as directory:
        (directory / "kube-proxy").write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"kube-proxy-k2", ".go.lock"}


def test_a_lock_makes_the_second_wait_and_says_for_what(tmp_path: Path) -> None:
    store = Store(tmp_path)
    waited: list[str] = []
    second_waits, order = threading.Event(), []

    def second() -> None:
        def note(what: str) -> None:
            waited.append(what)
            second_waits.set()

        with store.lock("go", note):
            order.append("second")

    thread = threading.Thread(target=second)
    with store.lock("go", _never):
        thread.start()
        assert second_waits.wait(timeout=30)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]
    assert waited[0] == f"another run, which holds {tmp_path}/.go.lock"


def test_different_purposes_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.lock("go", _never), store.lock("apt-get", _never):
        assert (tmp_path / ".apt-get.lock").exists()


def test_a_key_depends_on_values_not_on_their_order() -> None:
    assert key_of({"a": 1, "b": ["x"]}) == key_of({"b": ["x"], "a": 1})
    assert key_of({"a": 1, "b": ["x"]}) != key_of({"a": 1, "b": ["y"]})


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "bin")
    with pytest.raises(DevClusterError) as raised, store.lock("go", _never):
        pass
    assert str(raised.value) == (
        f"cache {tmp_path}/file/bin: Not a directory; make it writable or set SONIC_CACHE_DIR to another folder"
    )
