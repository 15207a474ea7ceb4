"""Brings the cluster up with Slurm, the stack `dev-slurm` and a server in a pod, and removes what it added."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bench import Cores
from benchmarks.cluster.autoscaler import paused
from benchmarks.cluster.cluster_equipment import take_down
from benchmarks.errors import BenchmarkError
from benchmarks.offload import deployment
from benchmarks.offload.kubernetes_server import bare_server
from benchmarks.offload.offload_lab import OffloadLab
from benchmarks.offload.slurm_stack import SlurmStack
from benchmarks.results import Results
from components.envoy.validate import find_envoy
from devcluster import deploy, lifecycle
from devcluster.images.catalog import SSHD, TRITON
from devcluster.kubectl import Kubectl
from devcluster.progress import Progress
from devcluster.slurm.configuration import STACK
from devcluster.supervisor import Supervisor
from devcluster.toolchain import Toolchain
from stacks.resolve import config_digest, resolve

SECONDS = 240.0
"""About how long it takes to bring everything up, once it is built, and to take it away."""

_OWN_STEPS = 1


def steps() -> int:
    """Steps of progress that `open_offload` takes."""
    up = lifecycle.START_STEPS + lifecycle.AUTOSCALE_STEPS + lifecycle.SLURM_STEPS
    return up + deployment.STEPS + _OWN_STEPS + (0 if Supervisor().is_running() else lifecycle.DOWN_STEPS)


@contextmanager
def open_offload(progress: Progress, results: Results, seed: int) -> Iterator[OffloadLab]:
    """The cluster as `make cluster SLURM=1` makes it, and in it the stack `dev-slurm` without its autoscaler.

    A cluster that was down is taken down again. One that was up stays up, without the stack.

    Raises:
        DevClusterError: the machine cannot run it, or something did not become ready.
    """
    toolchain = Toolchain()
    with ExitStack() as stack:
        if not Supervisor().is_running():
            stack.callback(take_down, progress, toolchain)
        with lifecycle.alone(progress):
            lifecycle.start(progress, toolchain, with_slurm=True)
            lifecycle.start_keda(progress, toolchain)
            lifecycle.start_slurm(progress, toolchain)
        kubectl = Kubectl(toolchain.path("kubectl"))
        _refuse_another_stack(kubectl)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonic-benchmark-")))
        scratch.chmod(0o755)  # the jobs' user reads the models in it
        stack.enter_context(deployment.deployed(toolchain, kubectl, progress, scratch))
        deployed = SlurmStack(kubectl, resolve(STACK).config)
        with progress.step("pause the autoscaler, and start a server in a pod"):
            stack.enter_context(paused(kubectl, deployed.namespace, deployed.deployment, progress))
            pod = bare_server(kubectl, progress, deployed.pod_template(), scratch / "models")
            lab = OffloadLab(
                scratch=scratch,
                results=results,
                progress=progress,
                cores=Cores(),
                seed=seed,
                stack=deployed,
                pod_address=stack.enter_context(pod),
                envoy_binary=Path(find_envoy()),
            )
            lab.rest()
        yield lab


def facts(_lab: OffloadLab) -> dict[str, object]:
    """Return the images and the configuration, and the load of the machine before the run."""
    config = resolve(STACK).config
    return {
        "offload": {
            "images": [TRITON.reference, SSHD.reference, config.site.images.envoy],
            "configuration": config_digest(config)[:12],
            "load_average": os.getloadavg(),
        }
    }


def _refuse_another_stack(kubectl: Kubectl) -> None:
    namespace = resolve(deploy.STACK).config.namespace
    if kubectl.get("namespace", namespace):
        msg = (
            f"the stack {deploy.STACK} is on the cluster, whose cores do not hold another: `make down`, then run again"
        )
        raise BenchmarkError(msg)
