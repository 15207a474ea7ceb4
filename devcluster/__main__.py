"""`python -m devcluster`: a real Kubernetes cluster on this machine, with the stack `dev` on it."""

import argparse
import sys

from devcluster import deploy, environment, lifecycle, logs, status
from devcluster.addresses import API_URL
from devcluster.credentials import KUBECONFIG
from devcluster.errors import DevClusterError
from devcluster.progress import Progress
from devcluster.slurm import machine
from devcluster.toolchain import Toolchain

NEXT_COMMANDS = """
  make shell     a shell in which pulumi, kubectl and `python -m acceptance dev` work
  make status    what runs, since when, and where
  make down      take everything away again"""


def main() -> int:
    """Run the command; 0 if all is well, 1 with one sentence on standard error if not."""
    arguments = parser().parse_args()
    try:
        return run(arguments)
    except DevClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nStopped. `python -m devcluster {arguments.command}` goes on from here.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the commands and their options."""
    commands = argparse.ArgumentParser(prog="python -m devcluster", description=__doc__)
    add = commands.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    up = add("up", help="bring the cluster and the stack `dev` up, or up to date")
    up.add_argument("--cluster-only", action="store_true", help="without the stack")
    up.add_argument(
        "--slurm", action="store_true", help="and a Slurm cluster with interLink before it; stays until `down`"
    )
    add("down", help="take the stack and the cluster away, and prove that nothing is left")
    add("status", help="what runs, since when, and where; exits with 1 unless all is well")
    show = add("logs", help="the log of a process, or of the pods of a Deployment")
    show.add_argument("part", metavar="PART", nargs="?", default="", help="a process or Deployment; none lists them")
    show.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    add("env", help='shell commands for the environment of the cluster: eval "$(python -m devcluster env)"')
    add("shell", help="a shell in the environment of the cluster")
    return commands


def run(arguments: argparse.Namespace) -> int:
    """Run a command and return the exit code.

    Raises:
        DevClusterError: it failed.
    """
    toolchain = Toolchain()
    match arguments.command:
        case "up":
            with_slurm = arguments.slurm or machine.is_configured()
            _up(toolchain, cluster_only=arguments.cluster_only, with_slurm=with_slurm)
        case "down":
            progress = Progress(lifecycle.DOWN_STEPS)
            with lifecycle.alone(progress):
                lifecycle.down(progress, toolchain)
            print("Nothing of the cluster is left on this machine but the cache of builds. `make up` starts it again.")
        case "status":
            return 0 if status.show(toolchain) else 1
        case "logs":
            logs.show(arguments.part, follow=arguments.follow, toolchain=toolchain)
        case "env":
            print(environment.export_lines(environment.variables(toolchain)))
        case "shell":
            environment.become_shell(environment.variables(toolchain))
    return 0


def _up(toolchain: Toolchain, *, cluster_only: bool, with_slurm: bool) -> None:
    stack_steps = 0 if cluster_only else deploy.DEPLOY_STEPS
    slurm_steps = lifecycle.SLURM_STEPS if with_slurm else 0
    progress = Progress(lifecycle.START_STEPS + stack_steps + lifecycle.AUTOSCALE_STEPS + slurm_steps)
    with lifecycle.alone(progress):
        lifecycle.start(progress, toolchain, with_slurm=with_slurm)
        if not cluster_only:
            deploy.deploy(toolchain, progress)
            deploy.check(toolchain, progress)
        lifecycle.start_keda(progress, toolchain)
        if not cluster_only:
            deploy.wait_for_servers(toolchain, progress)
        if with_slurm:
            lifecycle.start_slurm(progress, toolchain)
    print(f"The cluster is up: {API_URL}, kubeconfig {KUBECONFIG}\n{NEXT_COMMANDS}")


if __name__ == "__main__":
    sys.exit(main())
