"""Brings the cluster up with both sides in it, and removes what it added also after an error."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from benchmarks import peer
from benchmarks.bench import Cores
from benchmarks.cluster.autoscaler import paused
from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.deployed_sides import Side, ours, peer_values, supersonic
from benchmarks.cluster.release import Release
from benchmarks.loopback.side_envoy import digest
from benchmarks.results import Results
from devcluster import deploy, lifecycle
from devcluster.kubectl import Kubectl
from devcluster.progress import Progress
from devcluster.supervisor import Supervisor
from devcluster.toolchain import Toolchain
from stacks.resolve import config_digest, resolve

SECONDS = 150.0
"""About how long it takes to bring everything up, once it is built, and to take it away."""

_OWN_STEPS = 2


def steps() -> int:
    """Steps of progress that `open_cluster` takes."""
    return deployed_steps() + _OWN_STEPS


def deployed_steps() -> int:
    """Steps of progress that `deployed_stack` takes."""
    up = lifecycle.START_STEPS + deploy.DEPLOY_STEPS + lifecycle.AUTOSCALE_STEPS
    return up + (0 if Supervisor().is_running() else lifecycle.DOWN_STEPS)


@contextmanager
def deployed_stack(progress: Progress) -> Iterator[Toolchain]:
    """The cluster as `make up` makes it, with the stack in it. A cluster that was down is taken down again.

    Raises:
        DevClusterError: the machine cannot run it, or something did not become ready.
    """
    toolchain = Toolchain()
    with ExitStack() as stack:
        if not Supervisor().is_running():
            stack.callback(take_down, progress, toolchain)
        with lifecycle.alone(progress):
            lifecycle.start(progress, toolchain, with_slurm=False)
            deploy.deploy(toolchain, progress)
            lifecycle.start_keda(progress, toolchain)
            deploy.wait_for_servers(toolchain, progress)
        yield toolchain


@contextmanager
def open_cluster(progress: Progress, results: Results, seed: int) -> Iterator[ClusterLab]:
    """The cluster as `make up` makes it, the stack's autoscaler paused, and SuperSONIC's release beside it.

    A cluster that was down is taken down again. One that was up stays up: without SuperSONIC, with the autoscaler at
    work, and with an annotation on the pod templates that were rolled out.

    Raises:
        DevClusterError: the machine cannot run it, or something did not become ready.
    """
    with ExitStack() as stack:
        toolchain = stack.enter_context(deployed_stack(progress))
        kubectl = Kubectl(toolchain.path("kubectl"))
        config = resolve(deploy.STACK).config
        values = peer_values(config)
        own, theirs = ours(config), supersonic(values)
        with progress.step("pause the autoscaler"):
            stack.enter_context(paused(kubectl, own.namespace, own.servers, progress))
        stack.callback(remove, kubectl, theirs)
        lab = ClusterLab(
            scratch=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonic-benchmark-"))),
            results=results,
            progress=progress,
            cores=Cores(),
            seed=seed,
            theirs=theirs,
            ours=own,
            releases={side: Release(kubectl, side) for side in (theirs, own)},
        )
        with progress.step("start SuperSONIC beside it, and have three servers of each"):
            kubectl.apply(yaml.safe_dump_all(peer.objects(values)))
            lab.rest()
        yield lab


def facts(lab: ClusterLab) -> dict[str, object]:
    """Return the images and configurations of the rows with pods."""
    config = resolve(deploy.STACK).config
    return {
        "pods": {
            "images": [config.experiment.server.image, config.site.images.envoy],
            "configurations": {
                lab.theirs.slug: digest({"objects": peer.objects(peer_values(config))}),
                lab.ours.slug: config_digest(config)[:12],
            },
        }
    }


def remove(kubectl: Kubectl, side: Side) -> None:
    """Remove a side with its namespace."""
    place = f"--namespace={side.namespace}"
    # Its servers take 60 s to end, so their pods are deleted with a grace of 1 s once no controller replaces them.
    kubectl.run("delete", "deployments,replicasets", "--all", "--cascade=orphan", place)
    kubectl.run("delete", "pods", "--all", "--grace-period=1", place)
    kubectl.run("delete", "namespace", side.namespace, "--ignore-not-found")


def take_down(progress: Progress, toolchain: Toolchain) -> None:
    """Take the cluster down, alone."""
    with lifecycle.alone(progress):
        lifecycle.down(progress, toolchain)
