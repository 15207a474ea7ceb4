"""Builds programs of pinned Go modules, reaching out for nothing but the modules in their `go.sum`."""

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.toolchain.found import find, parse_version
from devcluster.toolchain.process import run_logged
from devcluster.toolchain.store import key_of
from devcluster.toolchain.table import GoProgram, GoTool, ModuleFiles

# The person's own settings must not change what is built: `go env -w GOFLAGS=-mod=mod` would rewrite go.mod,
# GOTOOLCHAIN=auto would download another Go, a go.work in a parent folder would replace modules.
_SETTINGS: Mapping[str, str] = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
_FLAGS = ("-trimpath", "-buildvcs=false")


def build_arguments(tool: GoProgram, output: Path) -> list[str]:
    """The arguments of `go` that build this tool into the file `output`."""
    stamps = [f"-X {variable}={value}" for variable, value in sorted(tool.stamps.items())]
    tags = [f"-tags={','.join(tool.tags)}"] if tool.tags else []
    # -v names each package as it is compiled: that is the progress shown.
    linker = " ".join(["-s", "-w", *stamps])
    return ["build", "-v", *_FLAGS, *tags, f"-ldflags={linker}", "-o", str(output), tool.package]


def key(tool: GoTool, go_version: str) -> str:
    """The key of a tool's build: its arguments, our settings, the Go version, every file of its module folder."""
    what = build_arguments(tool, Path(tool.name)) if isinstance(tool, GoProgram) else [tool.source, tool.path]
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(tool.directory.iterdir())
        if path.is_file()
    }
    return key_of({"what": what, "settings": dict(_SETTINGS), "go": go_version, "files": files})


def produce(tool: GoTool, directory: Path, log: Path, waiting: Callable[[str], None]) -> None:
    """Build a program, or copy a module's files, into an empty folder, as `directory/<name of the tool>`.

    Raises:
        DevClusterError: Go is missing or too old, or the build failed.
    """
    go = _go(tool)
    # Go's scratch space lies within, so that what a killed build leaves goes with the folder.
    scratch = directory / ".scratch"
    scratch.mkdir()
    environment = {**_environment(), "GOTMPDIR": str(scratch)}
    match tool:
        case GoProgram():
            title, arguments = f"build of {tool.name}", build_arguments(tool, directory / tool.name)
        case ModuleFiles():
            title, arguments = f"download of {tool.source}", ["mod", "download", tool.source]
    run_logged(
        [go, *arguments], title=title, log=log, waiting=waiting, environment=environment, directory=tool.directory
    )
    if isinstance(tool, ModuleFiles):
        listing = [go, "list", "-m", "-f", "{{.Dir}}", tool.source]
        root = subprocess.check_output(listing, cwd=tool.directory, env=environment, text=True).strip()
        _copy_writable(Path(root) / tool.path, directory / tool.name)
    shutil.rmtree(scratch)


@functools.cache
def version() -> str:
    """What `go version` prints: version and platform; empty if there is no Go."""
    go = find("go")
    return subprocess.check_output([go, "version"], env=_environment(), text=True).strip() if go else ""


def _go(tool: GoTool) -> str:
    go = find("go")
    wanted = re.findall(r"^go (\S+)$", (tool.directory / "go.mod").read_text(), re.MULTILINE)[0]
    have = parse_version(version().removeprefix("go version go"))
    if go is None or have is None or have < (parse_version(wanted) or have):
        message = (
            f"{tool.name} cannot be built: Go on PATH is {version() or 'missing'}, its module needs "
            f"Go {wanted} or later; install that (https://go.dev/dl) and run again"
        )
        raise DevClusterError(message)
    return str(go)


def _environment() -> dict[str, str]:
    foreign = ("GOOS", "GOARCH", "GOEXPERIMENT")
    return {**{name: value for name, value in os.environ.items() if name not in foreign}, **_SETTINGS}


def _copy_writable(source: Path, target: Path) -> None:
    """Copy contents only: everything in Go's module cache is read-only, folders too."""
    if source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o755)
        return
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
