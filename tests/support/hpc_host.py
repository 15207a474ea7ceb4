"""A host of an HPC site, on which somebody follows docs/install-edge.md as root.

It is a namespace of this machine. Its /etc, /opt and /home are overlays and its /run is empty, so that what the page
installs goes with the host, and so do all its processes. All else is the machine's: Slurm, its jobs, the network.
Stand-ins take the place of systemd, sudo, and interLink's programs.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from devcluster.paths import CHECKOUT
from devcluster.slurm.folders import CONFIGURATION
from tests.support import systemctl_stand_in
from tests.support.page_shell import PageShell

_START = """
set -e
mount -t tmpfs -o mode=755 host "$1"
mkdir -p "$1"/{etc,opt,home}/{upper,work}
# An overlay does not have what is mounted on files below it.
cp /etc/hosts /etc/resolv.conf "$1/etc/upper"
for name in etc opt home; do
  mount -t overlay -o "lowerdir=/$name,upperdir=$1/$name/upper,workdir=$1/$name/work" host "/$name"
done
mount -t tmpfs -o mode=755 host /run
# Slurm's commands read it without being told.
mkdir -p /etc/slurm
ln -sf "$2" /etc/slurm/slurm.conf
# The user of the units may not read a checkout or a Python in somebody's home.
mkdir -p /opt/stand-in/{python,packages,checkout}
mount --bind "$3" /opt/stand-in/python
mount --bind "$4" /opt/stand-in/packages
mount --bind "$5" /opt/stand-in/checkout
echo ready
sleep infinity &
wait
"""

_SUDO = """\
#!/bin/sh
# Stand-in for `sudo -u USER COMMAND …` of root.
user=$2
shift 2
exec setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
"""

INTERLINK = f"""\
#!/bin/sh
# Stand-in for interLink's API, with that of its Slurm plugin in it.
export PYTHONPATH=/opt/stand-in/packages PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=/opt/stand-in/python/lib
cd /opt/stand-in/checkout
python=/opt/stand-in/python/bin/python{sys.version_info.major}.{sys.version_info.minor}
exec "$python" -m devcluster.slurm.edge "$(dirname "$INTERLINKCONFIGPATH")"
"""
INTERLINK_PLUGIN = """\
#!/bin/sh
# In place of the Slurm plugin: has what that one needs, and waits.
[ "$SHARED_FS" = true ] && [ -r "$SLURMCONFIGPATH" ] && [ -w /run/interlink ] && exec sleep infinity
"""


class HpcHost:
    """The host while it is entered.

    Args:
        folder: an empty one.
        environment: variables of its administrator.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**environment, "PATH": f"{folder}/bin:{environment['PATH']}"}

    def __enter__(self) -> Self:
        for name in ("machine", "bin"):
            (self._folder / name).mkdir()
        stand_in = f"#!{sys.executable}\n{Path(systemctl_stand_in.__file__).read_text()}"
        for name, text in {"systemctl": stand_in, "sudo": _SUDO}.items():
            (self._folder / "bin" / name).write_text(text)
            (self._folder / "bin" / name).chmod(0o755)
        unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        given = (self._folder / "machine", CONFIGURATION, sys.base_prefix, sysconfig.get_path("purelib"), CHECKOUT)
        self._process = subprocess.Popen(
            [*unshare, "bash", "-c", _START, "bash", *map(str, given)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the namespace of the host: see stderr"
        (init,) = psutil.Process(self._process.pid).children()
        self._init = init.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def _entered_by(self) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._init}", "--mount", "--pid")

    def shell(self, folder: Path) -> PageShell:
        """Return a shell of root on the host."""
        results = self._folder / "results"
        return PageShell(folder=folder, results=results, environment=self._environment, entered_by=self._entered_by)

    def run(self, *command: str) -> None:
        """Run a command as root on the host."""
        subprocess.run([*self._entered_by, *command], env=self._environment, check=True)

    def file(self, path: str) -> Path:
        """Return the way to a file of the host from outside."""
        return Path(f"/proc/{self._init}/root{path}")
