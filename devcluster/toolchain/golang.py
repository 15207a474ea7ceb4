"""Builds of programs from pinned Go modules. Only modules of their `go.sum` are fetched."""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.toolchain.found import find, parse_version
from devcluster.toolchain.process import run_logged
from devcluster.toolchain.programs import GoBuild, GoPart, GoProgram, ModuleFiles, ModuleFolder
from devcluster.toolchain.store import key_of

# The person's own settings must not change what is built: `go env -w GOFLAGS=-mod=mod` would rewrite go.mod,
# GOTOOLCHAIN=auto would download another Go, a go.work in a parent folder would replace modules.
_SETTINGS: Mapping[str, str] = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
_FLAGS = ("-trimpath", "-buildvcs=false")


def key(build: GoBuild, go_version: str) -> str:
    """Return the key of a build, over its arguments, settings, Go version and all files of its modules' folders."""
    return key_of({"settings": dict(_SETTINGS), "go": go_version, "parts": [_inputs(part) for part in build.parts]})


def produce(build: GoBuild, directory: Path, log: Path, waiting: Callable[[str], None]) -> None:
    """Build or copy each part into an empty folder, as `directory/<name of the part>`.

    Args:
        log: keeps the output of the last part begun.
        waiting: told once a second what is going on.

    Raises:
        DevClusterError: Go is missing or too old, or a part failed to build.
    """
    # Go's scratch space lies within, so that what a killed build leaves goes with the folder.
    scratch = directory / ".scratch"
    scratch.mkdir()
    environment = {**_environment(), "GOTMPDIR": str(scratch)}
    for part in build.parts:
        go = _go(part)

        def run(title: str, *arguments: str, go: str = go, part: GoPart = part) -> None:
            run_logged(
                [go, *arguments],
                title=title,
                log=log,
                waiting=waiting,
                environment=environment,
                interruptible=True,
                directory=part.directory,
            )

        def source_of(module: str, go: str = go, part: GoPart = part) -> Path:
            run(f"download of {module}", "mod", "download", module)
            listing = [go, "list", "-m", "-f", "{{.Dir}}", module]
            return Path(subprocess.check_output(listing, cwd=part.directory, env=environment, text=True).strip())

        match part:
            case GoProgram(embeds=None):
                run(f"build of {part.name}", *_build_arguments(part, directory / part.name))
            case GoProgram(embeds=ModuleFolder() as embeds):
                overlay = scratch / "overlay.json"
                overlay.write_text(_overlay(part, source_of(embeds.source) / embeds.folder, embeds.files))
                command, *flags = _build_arguments(part, directory / part.name)
                run(f"build of {part.name}", command, f"-overlay={overlay}", *flags)
            case ModuleFiles():
                _copy_writable(source_of(part.source) / part.path, directory / part.name)
    shutil.rmtree(scratch)


def _overlay(program: GoProgram, folder: Path, files: Sequence[str]) -> str:
    """Return the JSON for `go build -overlay` that puts files of a module into the program's package."""
    package = program.directory / program.package
    return json.dumps({"Replace": {str(package.resolve() / name): str(folder / name) for name in files}})


def _inputs(part: GoPart) -> Mapping[str, object]:
    what = _build_arguments(part, Path(part.name)) if isinstance(part, GoProgram) else [part.source, part.path]
    embeds = asdict(part.embeds) if isinstance(part, GoProgram) and part.embeds else None
    files = {
        str(path.relative_to(part.directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(part.directory.rglob("*"))
        if path.is_file()
    }
    return {"what": what, "embeds": embeds, "files": files}


def _build_arguments(program: GoProgram, output: Path) -> list[str]:
    stamps = [f"-X {variable}={value}" for variable, value in sorted(program.stamps.items())]
    tags = [f"-tags={','.join(program.tags)}"] if program.tags else []
    linker = " ".join(["-s", "-w", *stamps])
    # -v names each package as it is compiled: that is the progress shown.
    return ["build", "-v", *_FLAGS, *tags, f"-ldflags={linker}", "-o", str(output), program.package]


@functools.cache
def version() -> str:
    """Return version and platform as `go version` prints them; empty without Go."""
    go = find("go")
    return subprocess.check_output([go, "version"], env=_environment(), text=True).strip() if go else ""


def _go(part: GoPart) -> str:
    go = find("go")
    wanted = re.findall(r"^go (\S+)$", (part.directory / "go.mod").read_text(), re.MULTILINE)[0]
    have = parse_version(version().removeprefix("go version go"))
    if go is None or have is None or have < (parse_version(wanted) or have):
        message = (
            f"{part.name} cannot be built: Go on PATH is {version() or 'missing'}, its module needs "
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
