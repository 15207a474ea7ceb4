"""A person who follows a page: an own home, an empty folder, a clone, and one shell that runs the lines as printed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import environment
from devcluster.credentials import KUBECONFIG
from devcluster.paths import CHECKOUT
from devcluster.toolchain import Toolchain

_TIMEOUT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Script:
    """Differences from the lines that a page prints. Patterns are regular expressions that are searched in a line."""

    instead: Mapping[str, str]
    """Pattern -> what the person writes for it."""
    not_run: Mapping[str, str]
    """Pattern of lines that are not run -> the reason."""
    fails: Mapping[str, str]
    """Pattern of lines that must fail on this cluster -> pattern of what they say then."""


@dataclass(frozen=True)
class Outcome:
    """A line that was run."""

    line: str
    status: int
    output: str


class Newcomer:
    """The person, with the programs that the page asks for: Python, make, kubectl, and Pulumi with its plugin."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.clone = folder / "clone"
        self.home.mkdir()
        _clone(self.clone)
        _offer_plugin(self.home)

    def follow(self, lines: Sequence[str], script: Script) -> list[Outcome]:
        """Run the lines one after the other in one shell, up to the first whose outcome is not the expected one.

        An AssertionError tells that line, or a pattern of the script that no line has.
        """
        patterns = [*script.instead, *script.not_run, *script.fails]
        unused = [pattern for pattern in patterns if not _matching([pattern], lines)]
        assert not unused, f"no line of the page has {unused}: {lines}"
        outcomes = self._run([line for line in lines if not _matching(script.not_run, [line])], script)
        for outcome in outcomes:
            told = f"`{outcome.line}` ended with {outcome.status}:\n{outcome.output}"
            said = _matching(script.fails, [outcome.line])
            assert (outcome.status != 0) == bool(said), told
            assert all(re.search(script.fails[pattern], outcome.output) for pattern in said), told
            assert "Traceback" not in outcome.output, told
        return outcomes

    def _run(self, lines: Iterable[str], script: Script) -> list[Outcome]:
        results = self.home / "results"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir()
        typed = []
        text = f"cd {self.clone}\n"
        for number, line in enumerate(lines):
            own = line
            for pattern, words in script.instead.items():
                own = re.sub(pattern, words, own)
            typed.append(own)
            wanted = "-ne 0" if _matching(script.fails, [line]) else "-eq 0"
            text += f"{{ {own}\n}} </dev/null >{results}/{number} 2>&1; status=$?\n"
            text += f"echo $status >{results}/{number}.status; [ $status {wanted} ] || exit\n"
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", text],
            env=self._environment(),
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return [
            Outcome(line, int((results / f"{number}.status").read_text()), (results / f"{number}").read_text())
            for number, line in enumerate(typed)
            if (results / f"{number}.status").exists()
        ]

    def _environment(self) -> dict[str, str]:
        """The environment of a login: neither the variables of the dev cluster nor our `.venv`."""
        ours = {str(Path(sys.prefix) / "bin"), str(CHECKOUT / ".venv" / "bin")}
        inherited = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder not in ours]
        programs = [*map(str, Toolchain().bin_directories()), str(Path(sys.base_prefix) / "bin"), *inherited]
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "SONIC_", "VIRTUAL"))
        }
        # Pulumi looks its home up in the database of users, not in HOME.
        own = {
            "HOME": str(self.home),
            "PULUMI_HOME": str(self.home / ".pulumi"),
            "PATH": os.pathsep.join(programs),
            "KUBECONFIG": str(KUBECONFIG),
        }
        return {**kept, **own, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _matching(patterns: Iterable[str], lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return [pattern for pattern in patterns if any(re.search(pattern, line) for line in lines)]


def _clone(folder: Path) -> None:
    """Put the files into a folder that git has or would add: those of a clone, with the changes not yet committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)


def _offer_plugin(home: Path) -> None:
    """Put the plugin of the dev cluster where Pulumi has those of this person; no registry is asked for it."""
    environment.install_plugin(Toolchain())
    plugins = environment.PULUMI_HOME / "plugins"
    shutil.copytree(plugins, home / ".pulumi" / "plugins", symlinks=True)
