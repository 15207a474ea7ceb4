"""`python -m benchmarks`: SuperSONIC 0.3.1's configuration and ours, real Envoys before real Triton servers."""

import argparse
import signal
import sys
from types import FrameType
from typing import Any

from benchmarks import run
from benchmarks.cluster.run import part as cluster
from benchmarks.traffic.run import KEYS
from benchmarks.traffic.run import part as traffic
from devcluster.errors import DevClusterError


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that every process that was started is ended


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    always = argparse.ArgumentParser(add_help=False)
    always.add_argument("--quick", action="store_true", help="one pair of blocks each, short: a look, not a figure")
    always.add_argument("--seed", type=int, default=1, help="draws arrivals and the order of blocks (default: 1)")
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = found.add_subparsers(dest="command", required=True).add_parser
    loopback = add("traffic", help="what clients see, on loopback addresses of this machine", parents=[always])
    loopback.add_argument("--only", default=",".join(KEYS), metavar="B1,B3", help="these benchmarks (default: all)")
    add("cluster", help="what clients see of pods, in the development cluster", parents=[always])
    add("all", help="both, one after the other, in one table", parents=[always])
    return found


def _parts(arguments: argparse.Namespace) -> list[run.Part[Any]]:
    quick = arguments.quick
    if arguments.command == "cluster":
        return [cluster(quick=quick)]
    if arguments.command == "all":
        return [traffic(only=KEYS, quick=quick), cluster(quick=quick)]
    return [traffic(only=arguments.only.split(","), quick=quick)]


def main() -> int:
    """Run what the command line asks for; 1 if it cannot be run, 130 if it was interrupted."""
    commands = parser()
    arguments = commands.parse_args()
    if arguments.command == "traffic" and (unknown := sorted(set(arguments.only.split(",")) - set(KEYS))):
        commands.error(f"--only names {', '.join(unknown)}: the benchmarks are {', '.join(KEYS)}")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run.run(_parts(arguments), quick=arguments.quick, seed=arguments.seed)
    except DevClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
