"""Rules for patches of servers in Slurm jobs: the Slurm plugin makes a job of a few fields, and misreads others.

What a rule says of interLink was seen with interLink 0.7.0-pre2 and its Slurm plugin 0.6.2-pre5 before a real Slurm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stacks.schema.base import BrokenRule
from stacks.schema.patch_rules import PROTECTED, Protected
from stacks.schema.patches import Leaf, Patch, leaves

_METADATA = ("spec", "template", "metadata", "annotations")
_POD = ("spec", "template", "spec")
_CONTAINERS = (*_POD, "containers")
_TRITON = "triton"


@dataclass(frozen=True, kw_only=True)
class Misread(Protected):
    """A field that a job does not have as a pod has it."""

    kinds: str = "Deployment"
    reason: str
    """What happens; completes "changes `field`, and …"."""


_LEFT_OUT = "leave it out"
_NO_NODE = "its only place is the pool's virtual node"
_NO_CLASS = "a job has none"
_LINK = "the tunnel of each job depends on it"
_ONE_SERVER = "the script of a job starts and drains one server, beside which the plugin runs it without a drain"
_DROPPED = "the plugin mounts no claim, and drops all binds of a container that has one"

MISREAD: tuple[Misread, ...] = (
    Misread(
        path=(*_METADATA, "slurm-job.vk.io/flags"),
        reason="the flags of the pool would be gone, with its GPUs and the signal before the time limit",
        way_out="write site.pools[].slurm",
    ),
    Misread(
        path=(*_METADATA, "slurm-job.vk.io/singularity-*"),
        reason="the binds of the pool would be gone, and the plugin does not quote what it reads there",
        way_out="write site.pools[].binds",
    ),
    Misread(
        path=(*_METADATA, "slurm-job.vk.io/*"),
        reason="the script around a job's server depends on what the plugin reads there",
        way_out=_LEFT_OUT,
    ),
    *(
        Misread(path=(*_METADATA, f"{prefix}/*"), reason=_LINK, way_out=_LEFT_OUT)
        for prefix in ("interlink.eu", "interlink.virtual-kubelet.io", "sonic.fastmachinelearning.org")
    ),
    Misread(
        path=(*_POD, "nodeSelector"), reason=_NO_NODE, way_out="write site.pools[].virtual_node or slurm.constraint"
    ),
    Misread(
        path=(*_POD, "affinity", "nodeAffinity"),
        reason=_NO_NODE,
        way_out="write site.pools[].virtual_node or slurm.constraint",
    ),
    Misread(
        path=(*_POD, "tolerations"),
        reason="a pod that is evicted while interLink is away leaves its job, which keeps its GPU",
        way_out=_LEFT_OUT,
    ),
    Misread(path=(*_POD, "runtimeClassName"), reason=_NO_CLASS, way_out=_LEFT_OUT),
    Misread(path=(*_POD, "priorityClassName"), reason=_NO_CLASS, way_out="write site.pools[].slurm.qos"),
    Misread(
        path=(*_POD, "terminationGracePeriodSeconds"),
        reason="the job is cancelled at once, and only its pod would stay",
        way_out="write experiment.traffic.shutdown_seconds",
    ),
    Misread(path=(*_POD, "volumes"), reason=_DROPPED, way_out="write site.pools[].binds"),
    Misread(path=(*_CONTAINERS, _TRITON, "volumeMounts"), reason=_DROPPED, way_out="write site.pools[].binds"),
    Misread(path=(*_POD, "initContainers"), reason=_ONE_SERVER, way_out=_LEFT_OUT),
    *(
        Misread(
            path=(*_CONTAINERS, _TRITON, "env", variable),
            reason="each job has its own, without which two servers on one host would take each other's port or GPU",
            way_out=_LEFT_OUT,
        )
        for variable in ("SONIC_*", "SLURM_*", "APPTAINER*", "SINGULARITY*", "*_VISIBLE_DEVICES")
    ),
    Misread(
        path=(*_CONTAINERS, _TRITON, "env", "*", "valueFrom"),
        reason="the plugin writes the value into a file of the job's folder",
        way_out="write experiment.server.environment, or bind a file of the compute nodes by site.pools[].binds",
    ),
    *(
        Misread(
            path=(*way, "securityContext", "runAsUser"),
            reason="the plugin makes `sbatch --uid` of it",
            way_out="write site.pools[].slurm.user_id",
        )
        for way in (_POD, (*_CONTAINERS, _TRITON))
    ),
    Misread(
        path=("spec", "minReadySeconds"),
        reason="interLink tells no time since when a pod is ready, so that no server would ever be available",
        way_out=_LEFT_OUT,
    ),
    Misread(
        kinds="NetworkPolicy",
        path=("spec", "egress"),
        reason="whoever has a job's end of a tunnel would reach what it opens",
        way_out=_LEFT_OUT,
    ),
)
"""Fields that mean something else for a job, or nothing. Where a key of pods alone promises one, this counts for a pool
of jobs."""


def only_jobs(target: str, *, job_pools: Sequence[str], node_pools: Sequence[str]) -> bool:
    """Return True if a target is servers in Slurm jobs and no others."""
    _, component, *pools = target.split("/")
    return component == _TRITON and bool(job_pools) and not set(pools or node_pools) & set(node_pools)


def is_misread(target: str, leaf: Leaf) -> bool:
    """Return True if a job would misread a field of a patch."""
    return _misread(target.partition("/")[0], leaf) is not None


def broken_job_patches(
    patches: Mapping[str, Patch], *, key: str, job_pools: Sequence[str], node_pools: Sequence[str]
) -> Iterator[BrokenRule]:
    """Yield what jobs would misread of the patches of one file.

    Args:
        patches: target -> fields.
        key: path of the patches, such as `site.patches`.
        job_pools: pools of the stack whose servers are jobs.
        node_pools: its other pools.
    """
    for target, patch in patches.items():
        kind, component, *pools = target.split("/")
        if component != _TRITON or not job_pools or (pools and pools[0] not in job_pools):
            continue
        nodes = [f"`{kind}/{_TRITON}/{name}`" for name in node_pools if not pools]
        alone = only_jobs(target, job_pools=job_pools, node_pools=node_pools)
        for leaf in _fields(patch):
            misread = _misread(kind, leaf)
            if misread is not None and (alone or not _promised(kind, leaf)):
                ways = [misread.way_out, *(["name a pool of nodes alone, as " + nodes[0]] if nodes else [])]
                yield BrokenRule(
                    f"{key}.{target} changes `{'.'.join(leaf.path)}` of servers in Slurm jobs, and {misread.reason}: "
                    f"{', or '.join(ways)}",
                    ((*key.split("."), target, *leaf.written),),
                )


def _fields(patch: Patch) -> list[Leaf]:
    try:
        return list(leaves(patch))
    except ValueError:  # another rule tells it
        return []


def _promised(kind: str, leaf: Leaf) -> bool:
    return any(each.touched_by(kind, _TRITON, leaf.path) for each in PROTECTED)


def _misread(kind: str, leaf: Leaf) -> Misread | None:
    if leaf.path[:4] == _CONTAINERS and leaf.path[4:5] not in ((), (_TRITON,)):
        return Misread(path=leaf.path, reason=_ONE_SERVER, way_out=_LEFT_OUT)
    return next((each for each in MISREAD if each.touched_by(kind, _TRITON, leaf.path)), None)
