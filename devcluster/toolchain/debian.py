"""Installation of Debian packages whose services are not started."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.toolchain.process import run_logged

POLICY = Path("/usr/sbin/policy-rc.d")
_OUR_POLICY = "#!/bin/sh\n# Written by devcluster while it installs packages: start no service.\nexit 101\n"

_APT_GET = (
    "apt-get",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    # Another apt at work is waited for, not an error.
    "--option=DPkg::Lock::Timeout=600",
)


def install(packages: Sequence[str], log: Path, waiting: Callable[[str], None]) -> None:
    """Install packages with apt-get, without starting their services.

    Args:
        packages: names of Debian packages.
        log: where apt-get's output goes.
        waiting: told what is going on, about once a second.

    Raises:
        DevClusterError: not root, no apt-get, or apt-get failed.
    """
    listed = " ".join(packages)
    if shutil.which("apt-get") is None:
        message = f"missing programs: apt-get is not on PATH to install {listed}; install these and run again"
        raise DevClusterError(message)
    if os.geteuid() != 0:
        message = f"missing programs: only root can install {listed}; run as root, or `apt-get install {listed}`"
        raise DevClusterError(message)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with services_stay_down(POLICY):
        for what, arguments in (("update", ["update"]), ("install", ["install", *packages])):
            run_logged(
                [*_APT_GET, *arguments],
                title=f"apt-get {what}",
                log=log,
                waiting=waiting,
                environment=environment,
                interruptible=False,  # a killed dpkg leaves half-installed packages
            )


@contextmanager
def services_stay_down(policy: Path) -> Iterator[None]:
    """Forbid packages to start services (Debian policy 9.3.3: policy-rc.d exits 101), then undo that.

    Somebody else's policy is left as it is; our own, left by a killed run, is taken as ours.
    """
    if policy.exists() and policy.read_text() != _OUR_POLICY:
        yield
        return
    policy.write_text(_OUR_POLICY)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
