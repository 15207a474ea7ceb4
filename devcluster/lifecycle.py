"""`up` and `down` of the dev cluster. Both work from any state, such as that after a kill."""

import errno
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from devcluster import addons, cgroups, deploy, network, processes, sysctls, teardown
from devcluster.credentials import ensure_credentials
from devcluster.errors import DevClusterError
from devcluster.health import wait_until_ready
from devcluster.image_store import import_missing
from devcluster.images import ensure_images
from devcluster.images.catalog import (
    COREDNS,
    ENVOY,
    KEDA_METRICS_APISERVER,
    KEDA_OPERATOR,
    PAUSE,
    PROMETHEUS,
    PYTHON,
    SSHD,
    TRITON,
    VIRTUAL_NODE,
)
from devcluster.kubectl import Kubectl
from devcluster.node import write_node_configuration
from devcluster.preflight import check_machine
from devcluster.processes import Process
from devcluster.progress import Progress
from devcluster.slurm import bastion, configuration, image_folders, machine, models
from devcluster.supervisor import Supervisor
from devcluster.toolchain import Toolchain

NODE_TOOLS = (
    *("ip", "iptables", "conntrack", "ethtool", "socat", "containerd", "ctr", "runc", "cni-plugins", "etcd"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
)
"""Programs without which the node is not Ready."""

LATER_TOOLS = (
    *("buildah", "debootstrap", "pause", "coredns", *deploy.PULUMI_TOOLS),
    *("prometheus", "keda-manifests", "promtool", "keda-operator", "keda-metrics-apiserver"),
)
"""Built while the node starts, in the order in which they are needed."""

FIRST_IMAGES = (PAUSE.reference, COREDNS.reference)
"""Images of the first pod."""

STACK_IMAGES = (ENVOY.reference, PYTHON.reference, TRITON.reference, PROMETHEUS.reference)
"""Images of the stack `dev`: it serves while KEDA is still compiled."""

SLURM_IMAGES = (VIRTUAL_NODE.reference, SSHD.reference)
"""Images of the virtual node, the tunnels and the bastion."""

KEDA_IMAGES = (KEDA_OPERATOR.reference, KEDA_METRICS_APISERVER.reference)
"""Images of the autoscaler."""

SLURM_TOOLS = (
    *("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo"),
    *("ch-run", "ssh", "curl", "compute-node-python", "virtual-node"),
)
"""Programs of the Slurm cluster and of the virtual node before it."""

LOCK = "\0sonic-devcluster"
"""Abstract socket address that a running `up` or `down` binds."""

START_STEPS = 11
SLURM_STEPS = 4
AUTOSCALE_STEPS = 2
DOWN_STEPS = 4


def start(progress: Progress, toolchain: Toolchain, *, with_slurm: bool) -> None:
    """Start the cluster, with the CRDs of KEDA but not KEDA itself; quick if it is up already.

    Args:
        progress: gets `START_STEPS` steps, with that of `alone`.
        toolchain: the programs to run, built or installed here if they are missing.
        with_slurm: check and build what `start_slurm` needs, too.

    Raises:
        DevClusterError: the machine cannot run it, or something did not become ready.
    """
    supervisor = Supervisor()
    with progress.step("check this machine"):
        later = (*LATER_TOOLS, *(SLURM_TOOLS if with_slurm else ()))
        check_machine(toolchain, [*NODE_TOOLS, *later])
        if with_slurm:
            machine.check_machine()
    with progress.step("provide the programs of a node"):
        toolchain.ensure(NODE_TOOLS, progress)
        toolchain.build_in_background(later)
    with progress.step("clear what a killed cluster left behind"):
        if not supervisor.is_running():
            teardown.sweep(progress.waiting)
    with progress.step("set the network, certificates and configuration up"):
        prepare_machine()
        supervisor.apply(processes.every(toolchain.path))
    kubectl = Kubectl(toolchain.path("kubectl"))
    with progress.step("start the control plane"):
        _start(processes.control_plane(toolchain.path), supervisor, progress)
        addons.apply_access_rules(kubectl)
        if not cgroups.have_held_pods():
            addons.forget_pods(kubectl)
    with progress.step("start the node"):
        _start(processes.node(toolchain.path), supervisor, progress)
        addons.wait_for_node(kubectl, supervisor.started_at("kubelet"), progress)
        addons.advertise_gpus(kubectl)
    with progress.step("start CoreDNS"):
        import_missing(toolchain.path("ctr"), ensure_images(toolchain, progress, FIRST_IMAGES), progress)
        addons.apply_coredns(kubectl)
        addons.wait_for_deployment(kubectl, "kube-system", "coredns", progress)
    with progress.step("start the S3 server of the models"):
        _start([processes.s3()], supervisor, progress)
    with progress.step("build and import the images of the stack"):
        import_missing(toolchain.path("ctr"), ensure_images(toolchain, progress, STACK_IMAGES), progress)
    with progress.step("define KEDA's resources"):
        addons.apply_keda_resources(kubectl, toolchain.wait("keda-manifests", progress))


def start_keda(progress: Progress, toolchain: Toolchain) -> None:
    """Build the autoscaler and start it.

    Args:
        progress: gets `AUTOSCALE_STEPS` steps.
        toolchain: builds KEDA.

    Raises:
        DevClusterError: it did not build or did not become ready.
    """
    kubectl = Kubectl(toolchain.path("kubectl"))
    with progress.step("build and import KEDA's images"):
        import_missing(toolchain.path("ctr"), ensure_images(toolchain, progress, KEDA_IMAGES), progress)
    with progress.step("start KEDA"):
        addons.apply_keda(kubectl, toolchain.wait("keda-manifests", progress))
        addons.wait_for_deployment(kubectl, "keda", "keda-operator", progress)
        addons.wait_for_deployment(kubectl, "keda", "keda-metrics-apiserver", progress)
        addons.wait_for_metrics_api(kubectl, progress)


def start_slurm(progress: Progress, toolchain: Toolchain) -> None:
    """Start Slurm on this machine, interLink's API before it, and the bastion through which jobs reach Services.

    Args:
        progress: gets `SLURM_STEPS` steps.
        toolchain: installs Slurm and builds the virtual node.

    Raises:
        DevClusterError: something did not build or did not become ready.
    """
    supervisor = Supervisor()
    kubectl = Kubectl(toolchain.path("kubectl"))
    with progress.step("install Slurm and configure it"):
        for name in SLURM_TOOLS:
            toolchain.wait(name, progress)
        configuration.write_configuration(toolchain.path)
        models.copy_models()
        supervisor.apply(processes.every(toolchain.path))
    with progress.step("start Slurm and interLink's API"):
        _start(processes.slurm(toolchain.path), supervisor, progress)
        machine.wait_for_nodes(progress)
    with progress.step("build and import the images of the virtual node and of the tunnels"):
        image_folders.ensure_triton_folder(toolchain, progress)
        import_missing(toolchain.path("ctr"), ensure_images(toolchain, progress, SLURM_IMAGES), progress)
    with progress.step("start the bastion"):
        bastion.apply_bastion(kubectl)
        addons.wait_for_deployment(kubectl, bastion.NAMESPACE, bastion.BASTION, progress)


def prepare_machine() -> None:
    """Kernel settings, the node's link and cgroup, certificates and configuration files; each only if it differs."""
    sysctls.apply()
    network.create_node_link()
    cgroups.create()
    ensure_credentials()
    write_node_configuration()


def _start(group: Sequence[Process], supervisor: Supervisor, progress: Progress) -> None:
    for process in group:
        supervisor.start(process.name)
        wait_until_ready(process, progress)


def down(progress: Progress, toolchain: Toolchain) -> None:
    """Remove the stack and the cluster, restore the machine's settings, and check that nothing is left.

    Only the build cache stays. A cluster that is down already, or only half up, is no error.

    Args:
        progress: gets `DOWN_STEPS` steps, with that of `alone`.
        toolchain: to find pulumi with; nothing is built.

    Raises:
        DevClusterError: something is left; the text names it.
    """
    original_sysctls = sysctls.originals()
    with progress.step("destroy the stack"):
        try:
            deploy.destroy(toolchain, progress)
        except DevClusterError as error:  # its objects go with the cluster
            print(f"\nThe stack went without Pulumi: {error}", file=sys.stderr)
    with progress.step("stop the cluster and clear the machine"):
        teardown.sweep(progress.waiting)
        sysctls.restore()
        teardown.remove_folders()
    with progress.step("look for anything left"):
        if left := teardown.leftovers(original_sysctls):
            msg = f"the cluster is down but {len(left)} things of it are left: {'; '.join(left)}; run `make down` again"
            raise DevClusterError(msg)


@contextmanager
def alone(progress: Progress) -> Iterator[None]:
    """Wait until no other `up` or `down` runs on this machine, then exclude them.

    The lock is an abstract Unix socket. It leaves no file, and a killed holder releases it.

    Args:
        progress: gets one step.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        with progress.step("wait for other runs on this machine"):
            while not _is_bound(lock):
                progress.waiting("another `python -m devcluster` to finish")
                time.sleep(0.5)
        yield


def _is_bound(lock: socket.socket) -> bool:
    try:
        lock.bind(LOCK)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True
