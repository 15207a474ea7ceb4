"""`python -m devcluster.toolchain [NAME…]`: list every tool and its source, or provide the ones named."""

import sys

from devcluster.errors import DevClusterError
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from devcluster.toolchain.programs import TOOLS


def main(names: list[str]) -> int:
    """Provide the tools named (`all`: every one), then list them; without names, list all."""
    toolchain = Toolchain()
    wanted = list(TOOLS) if not names or names == ["all"] else names
    try:
        if names:
            _provide(toolchain, wanted)
        for name in wanted:
            origin = toolchain.origin(name)
            print(f"{name:<28} {origin.source:<10}  {origin.path or ''}  {origin.remark}".rstrip())
    except DevClusterError as error:
        print(error, file=sys.stderr)
        return 1
    if not names:
        print("\nprovide them: python -m devcluster.toolchain all")
    return 0


def _provide(toolchain: Toolchain, names: list[str]) -> None:
    missing = toolchain.missing(names)
    progress = Progress(total=len(missing))
    for name in missing:
        with progress.step(name):
            toolchain.ensure([name], progress)


sys.exit(main(sys.argv[1:]))
