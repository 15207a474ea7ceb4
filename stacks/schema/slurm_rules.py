"""Rules on pools of Slurm jobs: what a job cannot have, and times that do not fit.

What a rule says of interLink was seen with interLink 0.7.0-pre2 and its Slurm plugin 0.6.2-pre5 before a real Slurm.
`tests/pure/test_traps.py` lists all that was seen, and the rule or the test that keeps it away.
"""

import re
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
_GPU_OPTIONS = frozenset({"--nv", "--nvccli", "--rocm"})
"""Options of apptainer, one of which gives a container the GPUs of its job."""
JOB_VARIABLES = re.compile(
    r"SONIC_.*|SLURM_.*|(APPTAINER|SINGULARITY)(ENV)?_.*|(CUDA|NVIDIA|ROCR|HIP)_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL"
)
"""Variables that Slurm, the container runtime or the script of a job sets for one job."""


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
        yield from _broken_options(site, experiment, index, pool, node)
        yield from _broken_times(site, experiment, index, pool, node)


def _broken_repository(experiment: Experiment, index: int, pool: InterLinkPool) -> Iterator[BrokenRule]:
    """The plugin mounts no volume of the cluster, and one claim drops all binds of its container (trap 18)."""
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
    """The plugin writes the variables of a container into a file of the job's folder, and hands them to the container
    (trap 9: the second server on a host found its port taken, and its tunnel served the first one for 6 to 12 s)."""
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
    for name in sorted(name for name in server.environment if JOB_VARIABLES.fullmatch(name)):
        yield BrokenRule(
            f"experiment.server.environment sets {name}, which each job of pool `{pool.name}` has for itself, and two "
            "servers on one host would take each other's port or GPU: remove it, or take the pool out",
            (f"experiment.server.environment.{name}", place),
        )
    if pool.gpu is not None and 0 < len(wanted) < len(pool.gpu.products):
        yield BrokenRule(
            f"experiment.server.gpu_products has {', '.join(wanted)} of the products of pool `{pool.name}`, and "
            f"`{pool.gpu.gres}` gives a job any of {', '.join(pool.gpu.products)}: give each product a pool with a "
            "gres of its own",
            ("experiment.server.gpu_products", f"{place}.gpu.products"),
        )


def _broken_name(site: Site, index: int, pool: InterLinkPool, deployment: str) -> Iterator[BrokenRule]:
    """InterLink names a tunnel by the pod and its namespace twice, and cuts what is too long (trap 16): with a long
    namespace its objects were refused for ever."""
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
    """`sbatch --uid` is root's, and the plugin takes any word of sbatch for a failure: no job would start. Without it
    the jobs are those of the plugin's own user, and the plugin's folder of a job is given to nobody else (trap 6)."""
    user, api = pool.slurm.user_id, node.api
    place = f"site.virtual_nodes.{site.virtual_nodes.index(node)}.api.user_id"
    if user is None and submits_for_others(site, node):
        fields = (place,) if isinstance(api, SocketApi) else ()
        yield BrokenRule(
            f"site.pools[{index}].slurm.user_id is missing but the plugin of virtual node `{node.name}` is root, so "
            "that the servers would run as root on the compute nodes: write the user of the jobs there",
            (f"site.pools.{index}.slurm", *fields),
        )
    if user is not None and isinstance(api, SocketApi) and api.user_id != 0:
        yield BrokenRule(
            f"site.pools[{index}].slurm.user_id is {user} but the plugin of virtual node `{node.name}` is user "
            f"{api.user_id}, and Slurm takes `sbatch --uid` of root alone: set its api.user_id to 0, or remove user_id "
            "of the pool",
            (f"site.pools.{index}.slurm.user_id", place),
        )


def submits_for_others(site: Site, node: VirtualNode) -> bool:
    """Return True if the plugin of a virtual node is root, as `sbatch --uid` needs it."""
    if isinstance(node.api, SocketApi):
        return node.api.user_id == 0
    return bool(users_of_jobs(site, node) - {None})


def users_of_jobs(site: Site, node: VirtualNode) -> set[int | None]:
    """Return the users of the jobs of a virtual node; None is the plugin's own."""
    pools = [pool for pool in site.pools if isinstance(pool, InterLinkPool) and pool.virtual_node == node.name]
    return {pool.slurm.user_id for pool in pools}


def _broken_options(
    site: Site, experiment: Experiment, index: int, pool: InterLinkPool, node: VirtualNode
) -> Iterator[BrokenRule]:
    """Slurm gives a job its GPUs by `--gres`, and the limit `nvidia.com/gpu` of a pod gives none (trap 4). The
    container gets them by an option of the runtime alone."""
    place = f"site.virtual_nodes.{site.virtual_nodes.index(node)}.slurm.runtime_options"
    if pool.gpu is not None and experiment.server.gpus and not _GPU_OPTIONS & set(node.slurm.runtime_options):
        yield BrokenRule(
            f"pool `{pool.name}` has GPUs but runtime_options of virtual node `{node.name}` have none of "
            f"{', '.join(sorted(_GPU_OPTIONS))}, so that its servers would see none: add the one for the GPUs, or take "
            "gpu out of the pool",
            (place, f"site.pools.{index}.gpu"),
        )


def _broken_times(
    site: Site, experiment: Experiment, index: int, pool: InterLinkPool, node: VirtualNode
) -> Iterator[BrokenRule]:
    """Slurm kills what a cancelled job has left after KillWait (traps 10 and 11, N1): a request of 8 s was cut after
    0.45 s."""
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
