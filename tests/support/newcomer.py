"""A person who follows a page: an own home, an empty folder, a clone, and one shell that runs the lines as printed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from devcluster import environment
from devcluster.credentials import KUBECONFIG
from devcluster.paths import CHECKOUT
from devcluster.toolchain import Toolchain
from tests.support.page_shell import Outcome, PageShell, Script


class Newcomer:
    """The person, with the programs that the page asks for: Python, make, kubectl, and Pulumi with its plugin."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.clone = folder / "clone"
        self.home.mkdir()
        _clone(self.clone)
        _offer_plugin(self.home)

    def follow(self, lines: Sequence[str], script: Script) -> list[Outcome]:
        """Run the lines in one shell, as `PageShell` does."""
        shell = PageShell(folder=self.clone, results=self.home / "results", environment=self._environment())
        return shell.follow(lines, script)

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
