"""Tools are built from their inputs, once, at a person's sight or in the background."""

import dataclasses
import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster.errors import DevClusterError
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain, golang
from devcluster.toolchain.programs import (
    TOOLS,
    DebianProgram,
    GoBuild,
    GoPart,
    GoProgram,
    ModuleFiles,
    ModuleFolder,
    by_name,
)

GO_VERSION = "go version go1.26.8 linux/amd64"
PRINT_S = "func main() { print(s) }\n"
HELLO = 'package main\n\nfunc main() { println("hello") }\n'


@pytest.fixture
def hello(tmp_path: Path) -> GoProgram:
    """A Go program of its own module."""
    module = tmp_path / "hello"
    module.mkdir()
    (module / "go.mod").write_text("module hello\n\ngo 1.26.0\n")
    (module / "go.sum").write_text("")
    (module / "main.go").write_text(HELLO)
    return GoProgram(name="hello-tool", module=str(module), package=".", stamps={"main.version": "1"})


def _toolchain(tmp_path: Path, *parts: GoPart) -> Toolchain:
    return Toolchain(cache=tmp_path / "cache", tools=by_name(GoBuild(parts=(part,)) for part in parts))


def _key(*parts: GoPart, go_version: str = GO_VERSION) -> str:
    return golang.key(GoBuild(parts=parts), go_version)


def _silent() -> Progress:
    return Progress(total=1, stream=io.StringIO())


def _write(name: str, text: str) -> Callable[[GoProgram], GoProgram]:
    def change(tool: GoProgram) -> GoProgram:
        (tool.directory / name).write_text(text)
        return tool

    return change


@pytest.mark.parametrize(
    "change",
    [
        _write("go.mod", "module hello\n\ngo 1.26.1\n"),
        _write("go.sum", "example.org/x v1.0.0 h1:abc=\n"),
        _write("main.go", HELLO.replace("hello", "good bye")),
        lambda tool: dataclasses.replace(tool, package="./other"),
        lambda tool: dataclasses.replace(tool, tags=("netgo",)),
        lambda tool: dataclasses.replace(tool, stamps={"main.version": "2"}),
        lambda tool: dataclasses.replace(tool, embeds=ModuleFolder(source="example.com/x", folder=".", files=("y",))),
    ],
    ids=["go.mod", "go.sum", "source", "package", "tags", "stamps", "embeds"],
)
def test_the_key_follows_every_input(hello: GoProgram, change: Callable[[GoProgram], GoProgram]) -> None:
    before = _key(hello)
    assert _key(change(hello)) != before


def test_the_key_follows_the_version_of_go(hello: GoProgram) -> None:
    assert _key(hello) != _key(hello, go_version=GO_VERSION.replace("1.26.8", "1.27.0"))


def test_the_key_follows_every_part(hello: GoProgram) -> None:
    other = dataclasses.replace(hello, name="other-tool")
    assert len({_key(hello), _key(hello, other), _key(other, hello)}) == 3


def test_the_key_does_not_depend_on_where_the_checkout_lies(hello: GoProgram, tmp_path: Path) -> None:
    elsewhere = hello.directory.rename(tmp_path / "clone")
    moved = dataclasses.replace(hello, module=str(elsewhere))
    (tmp_path / "hello").symlink_to(elsewhere)
    assert _key(moved) == _key(hello)


def test_programs_of_one_module_have_keys_of_their_own() -> None:
    builds = {tool.name: tool for tool in TOOLS.values() if not isinstance(tool, DebianProgram)}
    assert len({golang.key(build, GO_VERSION) for build in builds.values()}) == len(builds)


def test_a_built_tool_runs_and_is_not_built_again(hello: GoProgram, tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, hello)
    assert toolchain.missing(["hello-tool"]) == ["hello-tool"]
    toolchain.ensure(["hello-tool"], _silent())
    path = toolchain.path("hello-tool")
    assert subprocess.run([path], capture_output=True, check=True).stderr == b"hello\n"
    assert [p.name for p in path.parent.iterdir()] == ["hello-tool"]

    built = path.stat().st_mtime_ns
    toolchain.ensure(["hello-tool"], _silent())
    assert path.stat().st_mtime_ns == built


def test_a_changed_source_is_built_anew_beside_the_old(hello: GoProgram, tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, hello)
    toolchain.ensure(["hello-tool"], _silent())
    old = toolchain.path("hello-tool")
    _write("main.go", HELLO.replace("hello", "good bye"))(hello)
    assert toolchain.origin("hello-tool").source == "to build"
    toolchain.ensure(["hello-tool"], _silent())
    new = toolchain.path("hello-tool")
    assert subprocess.run([new], capture_output=True, check=True).stderr == b"good bye\n"
    assert old.exists()


def test_a_failing_build_shows_the_end_of_its_log_and_leaves_no_build(hello: GoProgram, tmp_path: Path) -> None:
    _write("main.go", "package main\n\nfunc main() { undefined_thing() }\n")(hello)
    toolchain = _toolchain(tmp_path, hello)
    with pytest.raises(DevClusterError) as raised:
        toolchain.ensure(["hello-tool"], _silent())
    log = next((tmp_path / "cache/log").iterdir())
    assert str(raised.value).startswith(f"build of hello-tool failed with exit code 1; its last lines, from {log}:\n")
    assert "undefined: undefined_thing" in str(raised.value)
    assert toolchain.origin("hello-tool").source == "to build"
    assert [path.name for path in (tmp_path / "cache/bin").iterdir()] == [".go.lock"]


def test_a_build_is_static_and_the_persons_go_settings_do_not_reach_it(
    hello: GoProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -tags=broken")
    monkeypatch.setenv("GOTOOLCHAIN", "go1.99.0")
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("CGO_ENABLED", "1")
    _write("main.go", 'package main\n\nimport "os/user"\n\nfunc main() { user.Current() }\n')(hello)
    toolchain = _toolchain(tmp_path, hello)
    toolchain.ensure(["hello-tool"], _silent())
    subprocess.run([toolchain.path("hello-tool")], check=True)
    assert b"/ld-linux" not in toolchain.path("hello-tool").read_bytes()  # os/user links libc where it may


def test_a_module_that_wants_a_newer_go_says_so_and_fetches_none(hello: GoProgram, tmp_path: Path) -> None:
    _write("go.mod", "module hello\n\ngo 1.999.0\n")(hello)
    with pytest.raises(DevClusterError) as raised:
        _toolchain(tmp_path, hello).ensure(["hello-tool"], _silent())
    assert str(raised.value) == (
        f"hello-tool cannot be built: Go on PATH is {golang.version()}, its module needs Go 1.999.0 or later; "
        "install that (https://go.dev/dl) and run again"
    )


def test_files_of_a_module_are_copied_writable(hello: GoProgram, tmp_path: Path) -> None:
    manifest = tmp_path / "files/config/default/kustomization.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("resources: []\n")
    (tmp_path / "files/go.mod").write_text("module example.com/files\n\ngo 1.26.0\n")
    (hello.directory / "go.mod").write_text(
        "module hello\n\ngo 1.26.0\n\nrequire example.com/files v0.0.0\n\nreplace example.com/files => ../files\n"
    )
    for path in (manifest, manifest.parent):  # as everything is in Go's module cache
        path.chmod(path.stat().st_mode & ~0o222)
    files = ModuleFiles(name="manifests", module=hello.module, source="example.com/files", path="config")
    toolchain = _toolchain(tmp_path, files)
    toolchain.ensure(["manifests"], _silent())
    copy = toolchain.path("manifests") / "default"
    assert (copy / "kustomization.yaml").read_text() == "resources: []\n"
    assert all(path.stat().st_mode & 0o200 for path in (copy, copy / "kustomization.yaml"))


def test_files_of_a_module_are_embedded_without_a_copy_in_the_checkout(hello: GoProgram, tmp_path: Path) -> None:
    schema = tmp_path / "files/data/schema.json"
    schema.parent.mkdir(parents=True)
    schema.write_text('{"from": "the module"}')
    (tmp_path / "files/go.mod").write_text("module example.com/files\n\ngo 1.26.0\n")
    (hello.directory / "go.mod").write_text(
        "module hello\n\ngo 1.26.0\n\nrequire example.com/files v0.0.0\n\nreplace example.com/files => ../files\n"
    )
    _write("main.go", 'package main\n\nimport _ "embed"\n\n//go:embed schema.json\nvar s string\n\n' + PRINT_S)(hello)
    embeds = ModuleFolder(source="example.com/files", folder="data", files=("schema.json",))
    toolchain = _toolchain(tmp_path, dataclasses.replace(hello, embeds=embeds))
    toolchain.ensure(["hello-tool"], _silent())
    told = subprocess.run([toolchain.path("hello-tool")], capture_output=True, check=True).stderr
    assert told == b'{"from": "the module"}'
    assert not (hello.directory / "schema.json").exists()


def test_background_builds_are_there_when_waited_for(hello: GoProgram, tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, hello)
    toolchain.build_in_background(["hello-tool"])
    assert os.access(toolchain.wait("hello-tool", _silent()), os.X_OK)


def test_ensure_joins_a_build_that_is_already_under_way(hello: GoProgram, tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, hello)
    toolchain.build_in_background(["hello-tool"])
    toolchain.ensure(["hello-tool"], _silent())
    assert toolchain.origin("hello-tool").source == "cache"


def test_a_failed_background_build_is_raised_where_it_is_waited_for(hello: GoProgram, tmp_path: Path) -> None:
    broken = dataclasses.replace(hello, name="broken-tool", package="./nowhere")
    toolchain = _toolchain(tmp_path, broken, hello)
    toolchain.build_in_background(["broken-tool", "hello-tool"])
    with pytest.raises(DevClusterError, match=r"^build of broken-tool failed with exit code 1"):
        toolchain.wait("broken-tool", _silent())
    assert toolchain.wait("hello-tool", _silent()).exists()


def test_waiting_for_a_tool_that_nobody_builds_builds_it(hello: GoProgram, tmp_path: Path) -> None:
    assert _toolchain(tmp_path, hello).wait("hello-tool", _silent()).exists()


def test_commands_and_only_commands_have_their_folders_on_path(hello: GoProgram, tmp_path: Path) -> None:
    command = GoBuild(parts=(dataclasses.replace(hello, name="hello-command"),), command=True)
    toolchain = Toolchain(cache=tmp_path / "cache", tools=by_name([command, GoBuild(parts=(hello,))]))
    toolchain.ensure(["hello-command", "hello-tool"], _silent())
    assert toolchain.bin_directories() == [toolchain.path("hello-command").parent]


def test_the_parts_of_a_build_stand_in_one_folder(hello: GoProgram, tmp_path: Path) -> None:
    """Pulumi's language host starts its script from its own folder, and is found beside `pulumi`."""
    build = GoBuild(parts=(hello, dataclasses.replace(hello, name="hello-host")))
    toolchain = Toolchain(cache=tmp_path / "cache", tools=by_name([build]))
    toolchain.ensure(["hello-host"], _silent())
    assert toolchain.path("hello-host") == toolchain.path("hello-tool").parent / "hello-host"
