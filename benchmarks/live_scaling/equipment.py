"""Brings the cluster up with both sides and their autoscalers, and removes what it added also after an error."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from benchmarks import peer
from benchmarks.autoscaling.policies import ours_in, supersonic
from benchmarks.bench import Cores
from benchmarks.cluster import deployed_sides
from benchmarks.cluster.autoscaler import PAUSED, paused
from benchmarks.cluster.cluster_equipment import deployed_stack, deployed_steps, remove
from benchmarks.cluster.deployed_sides import Side
from benchmarks.cluster.release import Release
from benchmarks.live_scaling.live_lab import RESTING_SERVERS, LiveLab, ScaledSide
from benchmarks.loopback.side_envoy import digest
from benchmarks.results import Results
from devcluster import deploy
from devcluster.images.catalog import PROMETHEUS
from devcluster.kubectl import Kubectl
from devcluster.progress import Progress
from stacks.resolve import config_digest, resolve
from stacks.schema import StackConfig

SECONDS = 150.0
"""About how long it takes to bring everything up, once it is built, and to take it away."""

SERVERS_MIN, SERVERS_MAX = 2, 5
"""Range of both sides: the stack's minimum, and as many servers as fit on a node of two cores."""

_OWN_STEPS = 1


def steps() -> int:
    """Steps of progress that `open_live` takes."""
    return deployed_steps() + _OWN_STEPS


@contextmanager
def open_live(progress: Progress, results: Results, seed: int) -> Iterator[LiveLab]:
    """The cluster as `make up` makes it, and SuperSONIC beside the stack, with its own Prometheus and ScaledObject.

    A cluster that was down is taken down again. One that was up stays up: without SuperSONIC, the stack as it was.

    Raises:
        DevClusterError: the machine cannot run it, or something did not become ready.
    """
    with ExitStack() as stack:
        toolchain = stack.enter_context(deployed_stack(progress))
        kubectl = Kubectl(toolchain.path("kubectl"))
        config = resolve(deploy.STACK).config
        values = _values(config)
        own, theirs = deployed_sides.ours(config), deployed_sides.supersonic(values)
        lab = LiveLab(
            scratch=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonic-benchmark-"))),
            results=results,
            progress=progress,
            cores=Cores(),
            seed=seed,
            kubectl=kubectl,
            toolchain=toolchain,
            config=config,
            theirs=ScaledSide(
                side=theirs,
                scaled_object=_scaled_object(values)["metadata"]["name"],
                policy=supersonic(),
                release=Release(kubectl, theirs),
            ),
            ours=ScaledSide(side=own, scaled_object=own.servers, policy=ours_in(config), release=Release(kubectl, own)),
        )
        with progress.step("pause the autoscaler, and start SuperSONIC with Prometheus and ScaledObject beside it"):
            stack.enter_context(_range(kubectl, own))
            stack.enter_context(paused(kubectl, own.namespace, own.servers, progress))
            stack.callback(_remove, kubectl, theirs)
            kubectl.apply(yaml.safe_dump_all(peer.objects(values)))
            kubectl.apply(yaml.safe_dump_all(peer.prometheus_objects(values, image=_prometheus_image(lab))))
            kubectl.apply(yaml.safe_dump(_scaled_object(values)))
            for scaled in (lab.theirs, lab.ours):
                lab.rest(scaled, RESTING_SERVERS)
        yield lab


def facts(lab: LiveLab) -> dict[str, object]:
    """Return the images and configurations of the rows of autoscaling with pods."""
    values = _values(lab.config)
    return {
        "autoscaled pods": {
            "images": [lab.config.experiment.server.image, lab.config.site.images.envoy, _prometheus_image(lab)],
            "configurations": {
                lab.theirs.side.slug: digest({"objects": [*peer.objects(values), _scaled_object(values)]}),
                lab.ours.side.slug: config_digest(lab.config)[:12],
            },
        }
    }


def _values(config: StackConfig) -> peer.Values:
    return replace(deployed_sides.peer_values(config), servers=RESTING_SERVERS)


def _prometheus_image(lab: LiveLab) -> str:
    return lab.config.site.images.prometheus or PROMETHEUS.reference


def _scaled_object(values: peer.Values) -> peer.Manifest:
    """Return SuperSONIC's ScaledObject, paused."""
    found = peer.scaled_object(values, servers_min=SERVERS_MIN, servers_max=SERVERS_MAX)
    return {**found, "metadata": {**found["metadata"], "annotations": {PAUSED: "true"}}}


@contextmanager
def _range(kubectl: Kubectl, side: Side) -> Iterator[None]:
    """Give our ScaledObject the range of both sides, and its own again on exit."""
    place = f"--namespace={side.namespace}"
    spec = kubectl.get("scaledobject", side.servers, place)["spec"]
    before = {key: spec[key] for key in ("minReplicaCount", "maxReplicaCount")}

    def patch(keys: dict[str, int]) -> None:
        words = ("patch", "scaledobject", side.servers, place, "--type=merge")
        kubectl.run(*words, f"--patch={json.dumps({'spec': keys})}")

    patch({"minReplicaCount": SERVERS_MIN, "maxReplicaCount": SERVERS_MAX})
    try:
        yield
    finally:
        patch(before)


def _remove(kubectl: Kubectl, side: Side) -> None:
    # KEDA ends a ScaledObject itself, so it goes before its Deployment.
    kubectl.run("delete", "scaledobjects", "--all", f"--namespace={side.namespace}")
    remove(kubectl, side)
