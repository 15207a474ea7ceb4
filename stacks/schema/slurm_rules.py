"""Rules on pools of Slurm jobs: what a job cannot have, and times that do not fit."""

from collections.abc import Iterator

from stacks.schema.base import BrokenRule
from stacks.schema.drain import job_drain_seconds
from stacks.schema.experiment import CvmfsRepository, Experiment, S3Repository, VolumeRepository
from stacks.schema.pools import InterLinkPool
from stacks.schema.site import Site
from stacks.schema.virtual_nodes import SocketApi, VirtualNode

_LABEL_LENGTH_MAX = 63
_POD_SUFFIX_LENGTH = 17
"""Longest part that Kubernetes appends to a Deployment's name in its pods': `-<10 characters>-<5>`."""


def broken_slurm_rules(
    site: Site, experiment: Experiment, *, index: int, pool: InterLinkPool, wanted: tuple[str, ...], deployment: str
) -> Iterator[BrokenRule]:
    """Yield each rule that a stack breaks with one of its pools of Slurm jobs.

    Args:
        site: the site.
        experiment: the experiment.
        index: place of the pool in site.pools.
        pool: the pool, which the stack uses.
        wanted: GPU products of the pool that the experiment runs on.
        deployment: name of the pool's Deployment.
    """
    node = next((node for node in site.virtual_nodes if node.name == pool.virtual_node), None)
    yield from _broken_repository(experiment, index, pool)
    yield from _broken_server(experiment, index, pool, wanted)
    yield from _broken_name(site, index, pool, deployment)
    if node is not None:
        yield from _broken_user(site, index, pool, node)
        yield from _broken_times(site, experiment, index, pool, node)


def _broken_repository(experiment: Experiment, index: int, pool: InterLinkPool) -> Iterator[BrokenRule]:
    repository = experiment.models.repository
    found = f"experiment.models.repository.kind is `{repository.kind}`"
    fields = ("experiment.models.repository.kind", f"site.pools.{index}")
    match repository:
        case CvmfsRepository() if not pool.cvmfs:
            yield BrokenRule(
                f"{found} but the compute nodes of pool `{pool.name}` have no /cvmfs: set site.pools[{index}].cvmfs to "
                "true if they mount it, or take the pool out",
                fields,
            )
        case VolumeRepository() if pool.models_folder is None:
            yield BrokenRule(
                f"{found} and the compute nodes of pool `{pool.name}` mount no volume of the cluster: name the folder "
                f"there with the same models as site.pools[{index}].models_folder, or take the pool out",
                fields,
            )
        case S3Repository():
            yield BrokenRule(
                f"{found} but a job of pool `{pool.name}` would have the keys of the bucket in a file of its folder: "
                "use a repository of kind `cvmfs`, `volume` or `image`, or take the pool out",
                fields,
            )


def _broken_server(
    experiment: Experiment, index: int, pool: InterLinkPool, wanted: tuple[str, ...]
) -> Iterator[BrokenRule]:
    server, place = experiment.server, f"site.pools.{index}"
    if server.secret_environment:
        yield BrokenRule(
            f"experiment.server.secret_environment is set but a job of pool `{pool.name}` would have the values in a "
            "file of its folder: remove it, or take the pool out",
            ("experiment.server.secret_environment", place),
        )
    if server.data:
        yield BrokenRule(
            f"experiment.server.data is set but the compute nodes of pool `{pool.name}` mount no volume of the "
            f"cluster: remove it and bind folders of theirs by site.pools[{index}].binds, or take the pool out",
            ("experiment.server.data", place),
        )
    if pool.gpu is not None and 0 < len(wanted) < len(pool.gpu.products):
        yield BrokenRule(
            f"experiment.server.gpu_products has {', '.join(wanted)} of the products of pool `{pool.name}`, and "
            f"`{pool.gpu.gres}` gives a job any of {', '.join(pool.gpu.products)}: give each product a pool with a "
            "gres of its own",
            ("experiment.server.gpu_products", f"{place}.gpu.products"),
        )


def _broken_name(site: Site, index: int, pool: InterLinkPool, deployment: str) -> Iterator[BrokenRule]:
    """InterLink names a tunnel by the pod and its namespace twice, and cuts what is too long."""
    namespace = site.access.namespace
    longest = len("wstunnel-") + len(deployment) + _POD_SUFFIX_LENGTH + 2 * (len(namespace) + 1)
    excess = longest - _LABEL_LENGTH_MAX
    if excess > 0:
        yield BrokenRule(
            f"the Deployment of pool `{pool.name}` would be `{deployment}` in namespace `{namespace}`, and interLink "
            f"makes names of {longest} characters of the two, where Kubernetes takes {_LABEL_LENGTH_MAX}: shorten "
            f"sonic:instance or the pool's name by {excess}, or the namespace by {-(-excess // 2)}",
            ("instance", f"site.pools.{index}.name", "site.access.namespace"),
        )


def _broken_user(site: Site, index: int, pool: InterLinkPool, node: VirtualNode) -> Iterator[BrokenRule]:
    """`sbatch --uid` is root's, and the plugin takes any word of sbatch for a failure: no job would start."""
    user, api = pool.slurm.user_id, node.api
    if user is not None and isinstance(api, SocketApi) and api.user_id != 0:
        place = f"site.virtual_nodes.{site.virtual_nodes.index(node)}.api.user_id"
        yield BrokenRule(
            f"site.pools[{index}].slurm.user_id is {user} but the plugin of virtual node `{node.name}` is user "
            f"{api.user_id}, and Slurm takes `sbatch --uid` of root alone: set its api.user_id to 0, or remove user_id "
            "of the pool",
            (f"site.pools.{index}.slurm.user_id", place),
        )


def _broken_times(
    site: Site, experiment: Experiment, index: int, pool: InterLinkPool, node: VirtualNode
) -> Iterator[BrokenRule]:
    traffic, request = experiment.traffic, pool.slurm
    drain = job_drain_seconds(dns_ttl_seconds=site.dns_ttl_seconds, shutdown_seconds=traffic.shutdown_seconds)
    place = f"site.virtual_nodes.{site.virtual_nodes.index(node)}.slurm"
    if not node.slurm.scancel_wrapper and drain > node.slurm.kill_wait_seconds:
        yield BrokenRule(
            f"a server of pool `{pool.name}` drains for {drain} s (site.dns_ttl_seconds is {site.dns_ttl_seconds}, "
            f"experiment.traffic.shutdown_seconds is {traffic.shutdown_seconds}), but Slurm kills a cancelled job "
            f"after {node.slurm.kill_wait_seconds} s (kill_wait_seconds): install the script `scancel` that "
            "`python -m stacks edge` writes and set scancel_wrapper to true, or lower the two",
            (f"{place}.scancel_wrapper", f"{place}.kill_wait_seconds", "experiment.traffic.shutdown_seconds"),
        )
    start = pool.queue_wait_seconds + experiment.server.start_timeout_seconds
    if request.time_limit_minutes * 60 <= start + drain:
        yield BrokenRule(
            f"site.pools[{index}].slurm.time_limit_minutes is {request.time_limit_minutes} but the next server waits "
            f"{pool.queue_wait_seconds} s in the queue, may load models for "
            f"{experiment.server.start_timeout_seconds} s and drains for {drain} s, so that a server would be away for "
            f"longer than it serves: raise the time limit above {-(-(start + drain) // 60)} minutes, or take the pool "
            "out",
            (f"site.pools.{index}.slurm.time_limit_minutes", f"site.pools.{index}.queue_wait_seconds"),
        )
