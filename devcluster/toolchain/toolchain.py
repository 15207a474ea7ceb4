"""Gives each tool its path: from PATH, from the cache of builds, or by building or installing it now."""

import concurrent.futures
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devcluster.errors import DevClusterError
from devcluster.paths import CACHE
from devcluster.progress import Progress
from devcluster.toolchain import debian, golang
from devcluster.toolchain.found import find, objection, version_of
from devcluster.toolchain.programs import TOOLS, DebianProgram, GoBuild, Tool
from devcluster.toolchain.store import Store

Source = Literal["PATH", "cache", "to build", "to install"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a tool comes from.

    Args:
        path: the program, script or folder; None while it is still to be built or installed.
        remark: why a program on PATH is not used, or what will be built or installed.
    """

    source: Source
    path: Path | None
    remark: str = ""


class Toolchain:
    """The tools of one cluster; a program on PATH is asked for its version once.

    Args:
        cache: holds the builds in `bin/` and their logs in `log/`.
        tools: every tool by its name.
    """

    def __init__(self, cache: Path = CACHE, tools: Mapping[str, Tool] = TOOLS) -> None:
        self._cache = cache
        self._store = Store(cache / "bin")
        self._tools = tools
        self._background: dict[str, concurrent.futures.Future[None]] = {}
        self._background_is_at = ""

    def origin(self, name: str) -> Origin:
        """Where a tool comes from as things stand.

        Raises:
            DevClusterError: there is no tool of this name.
        """
        tool = self._tool(name)
        if isinstance(tool, DebianProgram):
            found = find(tool.program, outside=self._cache)
            if found:
                return Origin(source="PATH", path=found)
            return Origin(source="to install", path=None, remark=f"Debian {tool.package}")
        found, remark = self._accepted_on_path(tool)
        if found:
            return Origin(source="PATH", path=found if name == tool.name else found.resolve().parent / name)
        built = self._directory(tool) / name
        if built.exists():
            return Origin(source="cache", path=built, remark=remark)
        return Origin(source="to build", path=None, remark=remark)

    def path(self, name: str) -> Path:
        """The program, script or folder of a tool that `ensure` or `wait` has provided.

        Raises:
            DevClusterError: no such tool, or not there yet.
        """
        origin = self.origin(name)
        if origin.path is None:
            message = f"{name} is not there yet: it is {origin.source}; run `python -m devcluster.toolchain {name}`"
            raise DevClusterError(message)
        return origin.path

    def bin_directories(self) -> list[Path]:
        """The folders to put first on PATH, so that the commands which we built are found by name."""
        commands = {tool.name for tool in self._tools.values() if isinstance(tool, GoBuild) and tool.command}
        origins = [self.origin(name) for name in self._tools if name in commands]
        return [origin.path.parent for origin in origins if origin.source == "cache" and origin.path]

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the tools that must still be built or installed, in the order given."""
        return [name for name in names if self.origin(name).path is None]

    def ensure(self, names: Sequence[str], progress: Progress) -> None:
        """Install and build what is missing, packages first, then in the order given.

        Raises:
            DevClusterError: an unknown tool, or one that cannot be installed or built.
        """
        missing = self.missing(names)
        self._install([name for name in missing if name not in self._background], progress.waiting)
        for name in missing:
            if name in self._background:
                self.wait(name, progress)
            else:
                self._build(name, progress.waiting)

    def build_in_background(self, names: Sequence[str]) -> None:
        """Do as `ensure` does while the caller goes on; `wait` tells how it ended.

        The builds end with this process, however it ends.
        """
        missing = [name for name in self.missing(names) if name not in self._background]
        self._background.update((name, concurrent.futures.Future()) for name in missing)
        threading.Thread(target=self._work_off, args=(missing,), daemon=True).start()

    def wait(self, name: str, progress: Progress) -> Path:
        """The path of a tool once it is there; one that nobody builds yet is built now.

        Raises:
            DevClusterError: as for `ensure`.
        """
        future = self._background.get(name)
        if future is None:
            self.ensure([name], progress)
        else:
            while not concurrent.futures.wait([future], timeout=1).done:
                progress.waiting(self._background_is_at)
            future.result()
        return self.path(name)

    def _work_off(self, names: Sequence[str]) -> None:
        for name in names:
            future = self._background[name]
            self._note(f"{name} to be there")
            try:
                self._install([name], self._note)
                self._build(name, self._note)
            except Exception as error:  # it is raised again where somebody waits
                future.set_exception(error)
            else:
                future.set_result(None)

    def _note(self, what: str) -> None:
        self._background_is_at = what

    def _install(self, names: Iterable[str], waiting: Callable[[str], None]) -> None:
        tools = [self._tool(name) for name in names]
        packages = sorted({tool.package for tool in tools if isinstance(tool, DebianProgram)})
        if packages:
            with self._store.lock("apt-get", waiting):
                debian.install(packages, self._cache / "log" / "apt-get.log", waiting)

    def _build(self, name: str, waiting: Callable[[str], None]) -> None:
        tool = self._tool(name)
        if isinstance(tool, DebianProgram):
            return
        with self._store.lock("go", waiting):
            directory = self._directory(tool)
            if directory.exists():  # by the run that we waited for
                return
            with self._store.publish(directory.name) as unfinished:
                golang.produce(tool, unfinished, self._cache / "log" / f"{directory.name}.log", waiting)

    def _directory(self, build: GoBuild) -> Path:
        return self._store.directory(f"{build.name}-{golang.key(build, golang.version())}")

    def _accepted_on_path(self, build: GoBuild) -> tuple[Path | None, str]:
        """What PATH holds of this program if it will do, else None and why it will not."""
        found = find(build.name, outside=self._cache)
        if found is None:
            return None, ""
        if build.path_rule is None:
            return None, f"{found} is passed over: our own build is needed"
        if reason := objection(version_of(found, build.path_rule.version_arguments), build.path_rule):
            return None, f"{found} {reason}"
        home = found.resolve().parent
        lacking = [part.name for part in build.parts[1:] if not (home / part.name).exists()]
        return (None, f"{found} has no {', '.join(lacking)} beside it") if lacking else (found, "")

    def _tool(self, name: str) -> Tool:
        try:
            return self._tools[name]
        except KeyError:
            message = f"no tool {name!r}; the tools are {', '.join(self._tools)}"
            raise DevClusterError(message) from None
