"""The catalog of images, their keys and the build cache. Nothing is built here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.images import build_cache
from devcluster.images.build import Inputs, image_key
from devcluster.images.catalog import IMAGES, Image
from devcluster.images.host import chroot_command
from devcluster.toolchain.programs import TOOLS
from devcluster.toolchain.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of this test's own instead of the machine's."""
    store = Store(tmp_path / "images")
    monkeypatch.setattr(build_cache, "STORE", store)
    return store


def silent(_text: str) -> None:
    pass


def maker(calls: list[Path]) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        calls.append(directory)
        (directory / "image.tar").write_text("whole")

    return make


class TestTable:
    @pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
    def test_the_user_is_a_number(self, image: Image) -> None:
        """By a name the kubelet cannot tell that it is not root: `runAsNonRoot` would refuse the pod."""
        assert re.findall(r"^USER (\S+)$", image.containerfile.read_text(), re.MULTILINE)[-1].replace(":", "").isdigit()

    @pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
    def test_comes_from_a_tool_of_its_name_or_from_wheels_pinned_by_hash(self, image: Image) -> None:
        assert image.name in TOOLS or "ADD rootfs.tar /" in image.containerfile.read_text()
        if image.requirements.exists():
            lines = image.requirements.read_text().replace("\\\n", " ").splitlines()
            wheels = [line for line in lines if not line.startswith("#")]
            assert wheels
            for wheel in wheels:
                assert re.fullmatch(r"[\w-]+==[\d.]+ +--hash=sha256:[0-9a-f]{64}", wheel)
        assert (image.name in TOOLS) is (f"COPY {image.name} " in image.containerfile.read_text())

    def test_the_stub_is_for_the_python_that_the_wheels_are_chosen_for(self) -> None:
        containerfile = IMAGES["localhost/sonic-dev/triton:24.10"].containerfile.read_text()
        assert set(re.findall(r"python_backend_stubs/(\S+)", containerfile)) == {"3.11"}
        assert set(re.findall(r"lib/python(\S+?)/", containerfile)) == {"3.11"}


@dataclass(frozen=True, kw_only=True)
class ImageIn(Image):
    """An image whose Containerfile lies in a folder of the test."""

    path: Path

    @property
    def containerfile(self) -> Path:
        return self.path


class TestKey:
    @pytest.fixture
    def image(self, tmp_path: Path) -> ImageIn:
        path = tmp_path / "Containerfile"
        path.write_text("FROM scratch\n")
        return ImageIn(name="pause", tag="1", path=path)

    inputs = Inputs(context=Path("/a"), fingerprint=["/a/pause", 1, 2])

    def test_stays_while_nothing_changes(self, image: ImageIn) -> None:
        assert image_key(image, self.inputs) == image_key(image, self.inputs)

    def test_changes_with_the_containerfile(self, image: ImageIn) -> None:
        before = image_key(image, self.inputs)
        image.containerfile.write_text("FROM scratch\nUSER 1:1\n")
        assert image_key(image, self.inputs) != before

    def test_changes_with_what_is_copied(self, image: ImageIn) -> None:
        rebuilt = Inputs(context=Path("/a"), fingerprint=["/a/pause", 1, 3])
        assert image_key(image, rebuilt) != image_key(image, self.inputs)

    def test_changes_with_the_reference(self, image: ImageIn) -> None:
        other = ImageIn(name="pause", tag="2", path=image.path)
        assert image_key(other, self.inputs) != image_key(image, self.inputs)


class TestKeep:
    def test_makes_once(self, store: Store) -> None:
        calls: list[Path] = []
        first = build_cache.build_once("pause", "0123", silent, maker(calls))
        second = build_cache.build_once("pause", "0123", silent, maker(calls))
        assert first == second == store.directory("pause-0123")
        assert (first / "image.tar").read_text() == "whole"
        assert len(calls) == 1

    @pytest.mark.usefixtures("store")
    def test_makes_anew_for_another_key_and_keeps_the_old(self) -> None:
        calls: list[Path] = []
        old = build_cache.build_once("pause", "0123", silent, maker(calls))
        new = build_cache.build_once("pause", "4567", silent, maker(calls))
        assert old != new
        assert old.exists()
        assert len(calls) == 2

    def test_what_fails_leaves_nothing_behind(self, store: Store) -> None:
        def fail(directory: Path) -> None:
            (directory / "image.tar").write_text("half")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            build_cache.build_once("pause", "0123", silent, fail)
        assert [path.name for path in store.root.iterdir() if path.is_dir()] == []

    @pytest.mark.usefixtures("store")
    def test_what_a_killed_run_left_is_removed(self) -> None:
        class Killed(BaseException):
            pass

        leftover: list[Path] = []

        def die(directory: Path) -> None:
            leftover.append(directory.rename(directory.with_name(f"{directory.name}-of-killed-run")))
            raise Killed

        with pytest.raises(Killed):
            build_cache.build_once("pause", "0123", silent, die)
        assert leftover[0].exists()
        build_cache.build_once("pause", "0123", silent, maker([]))
        assert not leftover[0].exists()


def test_a_command_in_a_root_keeps_its_arguments_whole() -> None:
    command = chroot_command(Path("/a b"), ["tritonserver", "--x=$HOME; y"], uid=1000, environment={"K": "v w"})
    script = command[-1]
    assert command[:2] == ["unshare", "--mount"]
    assert "exec chroot --userspec=1000:1000 '/a b' /usr/bin/env -i 'K=v w' tritonserver '--x=$HOME; y'" in script
