"""Programs of the development cluster that tests run by themselves, built when they are not there yet."""

from functools import cache
from pathlib import Path

from devcluster.progress import Progress
from devcluster.toolchain import Toolchain


@cache
def tool(name: str) -> Path:
    """Path of a program or folder of the toolchain, such as `promtool` or `keda-manifests`."""
    toolchain = Toolchain()
    toolchain.ensure([name], Progress(total=1))
    return toolchain.path(name)
