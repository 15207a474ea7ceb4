"""`python -m benchmarks`: SuperSONIC 0.3.1's configuration and ours, real Envoys before real Triton servers."""

import argparse
import signal
import sys
from types import FrameType
from typing import Any

from benchmarks.autoscaling.scaling_suite import KEYS as SCALING_KEYS
from benchmarks.autoscaling.scaling_suite import suite as scaling_suite
from benchmarks.cluster.pod_suite import KEYS as POD_KEYS
from benchmarks.cluster.pod_suite import suite as pod_suite
from benchmarks.live_scaling.live_suite import KEYS as LIVE_KEYS
from benchmarks.live_scaling.live_suite import suite as live_suite
from benchmarks.offload.offload_suite import KEYS as OFFLOAD_KEYS
from benchmarks.offload.offload_suite import suites as offload_suites
from benchmarks.suite import Suite, run_suites
from benchmarks.traffic.deadly_request import suite as deadly_suite
from benchmarks.traffic.loopback_suite import KEYS
from benchmarks.traffic.loopback_suite import suite as loopback_suite
from devcluster.errors import DevClusterError


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that every process that was started is ended


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    always = argparse.ArgumentParser(add_help=False)
    always.add_argument("--quick", action="store_true", help="one pair of blocks each, short: a look, not a figure")
    always.add_argument("--seed", type=int, default=1, help="draws arrivals and the order of blocks (default: 1)")
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = found.add_subparsers(dest="command", required=True).add_parser
    loopback = add("traffic", help="what clients see, on loopback addresses of this machine", parents=[always])
    loopback.add_argument("--only", default=",".join(KEYS), metavar="B1,B3", help="these benchmarks (default: all)")
    add("deadly", help="what one request and one crash cost, before stand-ins for Triton", parents=[always])
    pods = add("cluster", help="what clients see of pods, in the development cluster", parents=[always])
    pods.add_argument("--only", default=",".join(POD_KEYS), metavar="KEY", help="these benchmarks (default: all)")
    offload = add("offload", help="servers in Slurm jobs, in the development cluster with Slurm", parents=[always])
    offload.add_argument(
        "--only", default=",".join(OFFLOAD_KEYS), metavar="KEY", help="these benchmarks (default: all)"
    )
    scaling = add("scaling", help="policies of autoscaling, in virtual time and with pods", parents=[always])
    scaling.add_argument(
        "--only",
        metavar="KEY",
        help=f"these benchmarks (default: {','.join(SCALING_KEYS)}, which need neither root nor a cluster)",
    )
    scaling.add_argument(
        "--live", action="store_true", help=f"those in the development cluster as well: {','.join(LIVE_KEYS)}"
    )
    add("all", help="all against SuperSONIC, one after the other, in one table", parents=[always])
    return found


def _suites(arguments: argparse.Namespace) -> list[Suite[Any]]:
    quick = arguments.quick
    if arguments.command == "cluster":
        return [pod_suite(quick=quick, only=arguments.only.split(","))]
    if arguments.command == "offload":
        return offload_suites(only=arguments.only.split(","), quick=quick)
    if arguments.command == "scaling":
        return _scaling_suites(arguments)
    if arguments.command == "deadly":
        return [deadly_suite(quick=quick)]
    if arguments.command == "all":
        return [loopback_suite(only=KEYS, quick=quick), deadly_suite(quick=quick), pod_suite(quick=quick)]
    return [loopback_suite(only=arguments.only.split(","), quick=quick)]


def _scaling_suites(arguments: argparse.Namespace) -> list[Suite[Any]]:
    only = arguments.only.split(",")
    suites: list[Suite[Any]] = []
    if set(only) & set(SCALING_KEYS):
        suites.append(scaling_suite(only=only, quick=arguments.quick, seed=arguments.seed))
    if set(only) & set(LIVE_KEYS):
        suites.append(live_suite(only=only, quick=arguments.quick))
    return suites


def main() -> int:
    """Run the command line; return 1 after an error, 130 after an interrupt."""
    commands = parser()
    arguments = commands.parse_args()
    if arguments.command == "scaling" and arguments.only is None:
        arguments.only = ",".join([*SCALING_KEYS, *(LIVE_KEYS if arguments.live else ())])
    keys = {
        "traffic": KEYS,
        "cluster": POD_KEYS,
        "offload": OFFLOAD_KEYS,
        "scaling": (*SCALING_KEYS, *LIVE_KEYS),
    }.get(arguments.command)
    if keys and (unknown := sorted(set(arguments.only.split(",")) - set(keys))):
        commands.error(f"--only names {', '.join(unknown)}: the benchmarks are {', '.join(keys)}")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run_suites(_suites(arguments), quick=arguments.quick, seed=arguments.seed)
    except DevClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
