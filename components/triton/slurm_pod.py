"""A Triton server as a Slurm job: the virtual pod, from which interLink and its Slurm plugin make the job.

The pod has what the plugin reads, and nothing that it misreads: docs/slurm.md. The plugin drops claims and volumes of
the cluster, takes `runAsUser` for `sbatch --uid`, and writes a job's variables into a file.
"""

import math
import shlex
from collections.abc import Mapping
from typing import Any

import pulumi

from components.base import Manifest
from components.model_repository import CVMFS_PATH, VOLUME_PATH
from components.pod import CONTAINER_SECURITY
from components.timing import ServerTiming
from components.triton.args import SlurmPoolArgs
from components.triton.server import GRPC_PORT, HTTP_PORT, METRICS_PORT, arguments, waiting_probes
from components.triton.slurm_job import ADDRESS_VARIABLE, job_script
from components.triton.tunnel_client import tunnel_client
from components.tunnel import DRAIN_ANNOTATION, SECRET_ANNOTATION, VIRTUAL_NODE_TAINT
from stacks.schema.pools import InterLinkPool, SlurmRequest
from stacks.schema.server import Server

_GRACE_SECONDS = 10
"""The plugin cancels the job at once, and its drain has a time of its own. The pod only stays `Terminating` for this
long."""
_TUNNEL_TIMEOUT = "5m"
"""Time that a tunnel pod may take to get an address: its image is pulled first."""


def pod_template(
    args: SlurmPoolArgs, *, start_seconds: int, tunnel_secret: pulumi.Input[str] | None = None
) -> Manifest:
    """Return the template of the virtual pod.

    Args:
        args: the pool.
        start_seconds: longest time from the start of a job until its models are loaded.
        tunnel_secret: name of the Secret that the sshd of the tunnel pods reads.
    """
    secret = {} if tunnel_secret is None else {SECRET_ANNOTATION: tunnel_secret}
    return {
        "metadata": {"labels": args.pod_labels.all, "annotations": {**annotations(args), **secret}},
        "spec": _pod_spec(args, start_seconds),
    }


def annotations(args: SlurmPoolArgs) -> dict[str, str]:
    """Return what interLink and its Slurm plugin read. Prometheus finds the tunnel pods, and no virtual pod."""
    script = job_script(
        data_folder=args.node.slurm.data_folder,
        namespace=args.naming.namespace,
        tunnel_client=tunnel_client(
            args.node.tunnel, namespace=args.naming.namespace, cluster_domain=args.naming.cluster_domain
        ),
        pre_stop_seconds=args.timing.pre_stop_seconds,
    )
    binds = "".join(f"--bind {source}:{target}:ro " for target, source in _binds(args).items())
    return {
        "interlink.eu/shadow-same-ns": "true",
        "interlink.eu/wstunnel-extra-ports": f"{HTTP_PORT}:http:TCP,{GRPC_PORT}:grpc:TCP,{METRICS_PORT}:metrics:TCP",
        "interlink.virtual-kubelet.io/wstunnel-timeout": _TUNNEL_TIMEOUT,
        "slurm-job.vk.io/flags": " ".join(flags(args.pool, args.server, args.timing)),
        **({"slurm-job.vk.io/singularity-options": binds.strip()} if binds else {}),
        "slurm-job.vk.io/pre-exec": script,
        DRAIN_ANNOTATION: str(args.timing.grace_seconds),
    }


def flags(pool: InterLinkPool, server: Server, timing: ServerTiming) -> list[str]:
    """Return the flags of sbatch. CPUs and memory are no flags: the plugin makes them of the container's limits, which
    win. Each is one word, since the plugin loses quotes, and long, since it knows only some short ones again."""
    slurm, gpu = pool.slurm, pool.gpu
    values = {
        "--partition": slurm.partition,
        "--account": slurm.account,
        "--qos": slurm.qos,
        "--constraint": slurm.constraint,
        "--reservation": slurm.reservation,
        "--gres": f"{gpu.gres}:{server.gpus}" if gpu and server.gpus else None,
        "--time": slurm.time_limit_minutes,
        # Slurm may send it a minute early, and never late.
        "--signal": f"B:TERM@{timing.grace_seconds}",
    }
    return [f"{flag}={value}" for flag, value in values.items() if value is not None]


def _binds(args: SlurmPoolArgs) -> Mapping[str, str]:
    """Return path in the container -> path on the compute nodes."""
    pool = args.pool
    return {
        **({CVMFS_PATH: CVMFS_PATH} if pool.cvmfs else {}),
        **({VOLUME_PATH: pool.models_folder} if pool.models_folder else {}),
        **{bind.target: bind.source for bind in pool.binds},
    }


def _pod_spec(args: SlurmPoolArgs, start_seconds: int) -> dict[str, Any]:
    return {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "nodeSelector": {"kubernetes.io/hostname": args.node.name},
        "tolerations": [
            {"key": VIRTUAL_NODE_TAINT, "operator": "Exists", "effect": "NoSchedule"},
            # Without a limit of time: while interLink is away the jobs go on, and an evicted pod would leave its job.
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
        ],
        "securityContext": {**_user(args.pool.slurm), "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(args, start_seconds)],
    }


def _user(slurm: SlurmRequest) -> dict[str, Any]:
    """Return who the job's processes are. The plugin makes `sbatch --uid` of runAsUser, and gives that user the job's
    folder, which a flag of ours would not."""
    return {"runAsNonRoot": True, **({} if slurm.user_id is None else {"runAsUser": slurm.user_id})}


def _container(args: SlurmPoolArgs, start_seconds: int) -> dict[str, Any]:
    return {
        "name": "triton",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _command(args)],
        "env": [{"name": name, "value": value} for name, value in args.server.environment.items()],
        "resources": {
            # The scheduler adds requests to what the node reports as free, where running jobs are subtracted already.
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": str(math.ceil(args.server.cpu_cores)), "memory": _memory(args.server.memory_gib)},
        },
        **_probes(args, start_seconds),
        "securityContext": CONTAINER_SECURITY,
    }


def _probes(args: SlurmPoolArgs, start_seconds: int) -> dict[str, Any]:
    """Return the probes. A pod is ready once every Envoy has its server: a rollout then ends the next one."""
    probes = waiting_probes(args.server, start_seconds=start_seconds)
    successes = settling_seconds(args.server, args.timing) // args.server.probes.readiness.period_seconds + 1
    return {**probes, "readinessProbe": {**probes["readinessProbe"], "successThreshold": successes}}


def settling_seconds(server: Server, timing: ServerTiming) -> int:
    """Return the time from a ready server until its pod is ready, in whole periods of its readiness probe.

    It is in place of `minReadySeconds`, which Kubernetes counts from a time that interLink does not report. Without it
    the next server could leave before Envoy had this one: 2 to 11 of 3,000 calls were lost in the dev cluster.
    """
    period = server.probes.readiness.period_seconds
    return math.ceil(timing.join_seconds / period) * period


def _command(args: SlurmPoolArgs) -> str:
    tritonserver = arguments(
        args.server,
        args.models,
        repository_urls=args.repository.repository_urls,
        exit_timeout_seconds=args.timing.exit_timeout_seconds,
        ip_family="IPv4",  # of the loopback network
    )
    addresses = " ".join(f'"--{way}-address=${ADDRESS_VARIABLE}"' for way in ("grpc", "http", "metrics"))
    return f"exec {shlex.join(['tritonserver', *tritonserver])} {addresses}"


def _memory(gib: float) -> str:
    return f"{math.ceil(gib * 1024)}Mi"
