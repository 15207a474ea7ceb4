"""`python -m benchmarks traffic`: SuperSONIC 0.3.1's configuration and ours, real Envoys before real Triton servers."""

import argparse
import signal
import sys
from types import FrameType

from benchmarks.loopback.process import BenchmarkError
from benchmarks.traffic.run import KEYS, run
from devcluster.errors import DevClusterError


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that every process that was started is ended


def main() -> int:
    """Run what the command line asks for; 1 if it cannot be run, 130 if it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    traffic = commands.add_parser("traffic", help="what clients see, on loopback addresses of this machine")
    traffic.add_argument("--quick", action="store_true", help="one pair of blocks each, short: a look, not a figure")
    traffic.add_argument("--only", default=",".join(KEYS), metavar="B1,B3", help="these benchmarks (default: all)")
    traffic.add_argument("--seed", type=int, default=1, help="draws arrivals and the order of blocks (default: 1)")
    arguments = parser.parse_args()
    only = tuple(arguments.only.split(","))
    if unknown := sorted(set(only) - set(KEYS)):
        parser.error(f"--only names {', '.join(unknown)}: the benchmarks are {', '.join(KEYS)}")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(only=only, quick=arguments.quick, seed=arguments.seed)
    except (BenchmarkError, DevClusterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
