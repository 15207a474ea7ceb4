"""The cluster's processes: command, address and health endpoint of each."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster.addresses import (
    API_HEALTH_URL,
    API_PORT,
    API_URL,
    CONTROLLER_MANAGER_PORT,
    EDGE_PORT,
    ETCD_CLIENT_PORT,
    ETCD_PEER_PORT,
    KUBE_PROXY_HEALTH_PORT,
    KUBELET_HEALTH_URL,
    KUBELET_PORT,
    LOOPBACK,
    NODE_ADDRESS,
    NODE_NAME,
    S3_PORT,
    SCHEDULER_PORT,
    SERVICE_NETWORK,
    SLURM_NODES,
    SLURMCTLD_PORT,
    SLURMD_PORTS,
)
from devcluster.credentials import (
    API_SERVER,
    CLUSTER_AUTHORITY,
    CONTROLLER_MANAGER,
    EDGE,
    ETCD,
    FRONT_PROXY,
    FRONT_PROXY_AUTHORITY,
    KUBE_PROXY,
    KUBELET,
    SCHEDULER,
    SERVICE_ACCOUNT_KEY,
    Identity,
)
from devcluster.node import (
    CONTAINERD_CONFIG,
    CONTAINERD_SOCKET,
    KUBE_PROXY_CONFIG,
    KUBELET_CONFIG,
    KUBELET_ROOT,
    SERVICES_RESOLV_CONF,
)
from devcluster.paths import CHECKOUT, MODELS, STATE
from devcluster.slurm.folders import CONFIGURATION, EDGE_FILES, SLURM
from devcluster.slurm.folders import EDGE as EDGE_FOLDER

_ETCD_URL = f"https://{LOOPBACK}:{ETCD_CLIENT_PORT}"
_CLUSTER_CA = CLUSTER_AUTHORITY.certificate

_WITH_CLUSTER_DNS = (
    *("unshare", "--mount", "--propagation=slave"),
    *("sh", "-c", f'mount --bind {SERVICES_RESOLV_CONF} /etc/resolv.conf && exec "$@"', "sh"),
)
"""Runs a command, and what it starts, with the cluster's name server: a compute node that reaches Services."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """One long-running program under the supervisor.

    Args:
        name: of the process and of its log.
        command: path of the program, and its arguments.
        address: URL, `tcp://HOST:PORT`, or path of a socket.
        health: URL that answers 200 when the process is ready; None for one that is ready when it accepts connections.
        reads: files that it reads once, when it starts: a change of one restarts it.
        directory: working directory.
    """

    name: str
    command: tuple[str, ...]
    address: str
    health: str | None
    reads: tuple[Path, ...]
    directory: Path = Path("/")

    def digest(self) -> str:
        """Return 16 hexadecimal digits that change when the process must restart."""
        digest = hashlib.sha256()
        for path in self.reads:
            digest.update(f"{path}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]


def every(program: Callable[[str], Path]) -> list[Process]:
    """Return all processes in the order of their start; those of Slurm once it is configured.

    Args:
        program: returns the path of a program by its name.
    """
    return [*control_plane(program), *node(program), s3(), *(slurm(program) if CONFIGURATION.exists() else [])]


def control_plane(program: Callable[[str], Path]) -> list[Process]:
    """Return etcd, the API server and its two controllers."""
    return [_etcd(program), _api_server(program), _controller_manager(program), _scheduler(program)]


def node(program: Callable[[str], Path]) -> list[Process]:
    """Return containerd, the kubelet and kube-proxy."""
    return [_containerd(program), _kubelet(program), _kube_proxy(program)]


def s3() -> Process:
    """Return the model repository of the dev stack: an S3 server that reads the demo models when it starts."""
    models = sorted(path for path in MODELS.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return Process(
        name="s3",
        command=(sys.executable, "-m", "devcluster.s3", f"--host={NODE_ADDRESS}", f"--port={S3_PORT}"),
        address=f"http://{NODE_ADDRESS}:{S3_PORT}",
        health=f"http://{NODE_ADDRESS}:{S3_PORT}/",
        reads=(CHECKOUT / "devcluster" / "s3.py", *models),
        directory=CHECKOUT,
    )


def slurm(program: Callable[[str], Path]) -> list[Process]:
    """Return Slurm's controller, a daemon for each of its nodes, and interLink's API with its plugin."""
    daemons = [_slurmd(program, name, port) for name, port in zip(SLURM_NODES, SLURMD_PORTS, strict=True)]
    return [_slurmctld(program), *daemons, _edge()]


def _slurmctld(program: Callable[[str], Path]) -> Process:
    return Process(
        name="slurmctld",
        command=(str(program("slurmctld")), "-D", "-f", str(CONFIGURATION)),
        address=f"tcp://{LOOPBACK}:{SLURMCTLD_PORT}",
        health=None,
        reads=(CONFIGURATION,),
    )


def _slurmd(program: Callable[[str], Path], node: str, port: int) -> Process:
    return Process(
        name=f"slurmd-{node}",
        command=(*_WITH_CLUSTER_DNS, str(program("slurmd")), "-D", "-f", str(CONFIGURATION), "-N", node),
        address=f"tcp://{LOOPBACK}:{port}",
        health=None,
        reads=(CONFIGURATION, SERVICES_RESOLV_CONF, SLURM / "gres.conf", SLURM / "cgroup.conf"),
    )


def _edge() -> Process:
    url = f"https://{NODE_ADDRESS}:{EDGE_PORT}"
    code = sorted((CHECKOUT / "devcluster" / "slurm").glob("*"))
    return Process(
        name="interlink-edge",
        command=(
            *("/usr/bin/env", f"SLURM_CONF={CONFIGURATION}"),
            *(sys.executable, "-m", "devcluster.slurm.edge", str(EDGE_FOLDER)),
        ),
        address=url,
        health=f"{url}/status",
        reads=(EDGE.certificate, *(EDGE_FOLDER / name for name in EDGE_FILES), *filter(Path.is_file, code)),
        directory=CHECKOUT,
    )


def _etcd(program: Callable[[str], Path]) -> Process:
    peer_url = f"http://{LOOPBACK}:{ETCD_PEER_PORT}"
    return Process(
        name="etcd",
        command=(
            str(program("etcd")),
            f"--name={NODE_NAME}",
            f"--data-dir={STATE}/etcd",
            f"--listen-client-urls={_ETCD_URL}",
            f"--advertise-client-urls={_ETCD_URL}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster={NODE_NAME}={peer_url}",
            f"--cert-file={ETCD.certificate}",
            f"--key-file={ETCD.key}",
            f"--trusted-ca-file={_CLUSTER_CA}",
            "--client-cert-auth",
            "--unsafe-no-fsync",  # data survive the end of any process, not of the machine; spares the disk
            "--auto-compaction-retention=1",
        ),
        address=_ETCD_URL,
        health=f"{_ETCD_URL}/health",
        reads=(ETCD.certificate, _CLUSTER_CA),
    )


def _api_server(program: Callable[[str], Path]) -> Process:
    return Process(
        name="kube-apiserver",
        command=(
            str(program("kube-apiserver")),
            f"--advertise-address={NODE_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--tls-cert-file={API_SERVER.certificate}",
            f"--tls-private-key-file={API_SERVER.key}",
            f"--client-ca-file={_CLUSTER_CA}",
            f"--etcd-servers={_ETCD_URL}",
            f"--etcd-cafile={_CLUSTER_CA}",
            f"--etcd-certfile={API_SERVER.certificate}",
            f"--etcd-keyfile={API_SERVER.key}",
            f"--kubelet-certificate-authority={_CLUSTER_CA}",
            f"--kubelet-client-certificate={API_SERVER.certificate}",
            f"--kubelet-client-key={API_SERVER.key}",
            "--kubelet-preferred-address-types=InternalIP",  # no DNS knows the node's name
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={SERVICE_ACCOUNT_KEY}",
            f"--service-account-signing-key-file={SERVICE_ACCOUNT_KEY}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--anonymous-auth=false",
            # The aggregator calls KEDA's metrics API at the IP of its pod.
            "--enable-aggregator-routing=true",
            f"--requestheader-client-ca-file={FRONT_PROXY_AUTHORITY.certificate}",
            f"--requestheader-allowed-names={FRONT_PROXY.user}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={FRONT_PROXY.certificate}",
            f"--proxy-client-key-file={FRONT_PROXY.key}",
        ),
        address=API_URL,
        health=API_HEALTH_URL,
        reads=(
            *(identity.certificate for identity in (API_SERVER, FRONT_PROXY, CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY)),
            SERVICE_ACCOUNT_KEY,
        ),
    )


def _controller_manager(program: Callable[[str], Path]) -> Process:
    return _controller(
        CONTROLLER_MANAGER,
        CONTROLLER_MANAGER_PORT,
        (
            str(program("kube-controller-manager")),
            f"--service-account-private-key-file={SERVICE_ACCOUNT_KEY}",
            f"--root-ca-file={_CLUSTER_CA}",
            "--use-service-account-credentials=true",
        ),
        reads=(SERVICE_ACCOUNT_KEY,),
    )


def _scheduler(program: Callable[[str], Path]) -> Process:
    return _controller(SCHEDULER, SCHEDULER_PORT, (str(program("kube-scheduler")),))


def _controller(identity: Identity, port: int, command: tuple[str, ...], reads: tuple[Path, ...] = ()) -> Process:
    """Return a process that watches the API server and serves its own health over TLS."""
    return Process(
        name=identity.file,
        command=(
            *command,
            f"--kubeconfig={identity.kubeconfig}",
            f"--authentication-kubeconfig={identity.kubeconfig}",
            f"--authorization-kubeconfig={identity.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={port}",
            f"--tls-cert-file={identity.certificate}",
            f"--tls-private-key-file={identity.key}",
            "--leader-elect=false",
        ),
        address=f"https://{LOOPBACK}:{port}",
        health=f"https://{LOOPBACK}:{port}/healthz",
        reads=(identity.kubeconfig, *reads),
    )


def _containerd(program: Callable[[str], Path]) -> Process:
    return Process(
        name="containerd",
        command=(str(program("containerd")), f"--config={CONTAINERD_CONFIG}"),
        address=str(CONTAINERD_SOCKET),
        health=None,
        reads=(CONTAINERD_CONFIG,),
    )


def _kubelet(program: Callable[[str], Path]) -> Process:
    return Process(
        name="kubelet",
        command=(
            str(program("kubelet")),
            f"--config={KUBELET_CONFIG}",
            f"--kubeconfig={KUBELET.kubeconfig}",
            f"--root-dir={KUBELET_ROOT}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
        ),
        address=f"https://{NODE_ADDRESS}:{KUBELET_PORT}",
        health=KUBELET_HEALTH_URL,
        reads=(KUBELET_CONFIG, KUBELET.kubeconfig, KUBELET.certificate),
    )


def _kube_proxy(program: Callable[[str], Path]) -> Process:
    return Process(
        name="kube-proxy",
        command=(str(program("kube-proxy")), f"--config={KUBE_PROXY_CONFIG}"),
        address=f"http://{LOOPBACK}:{KUBE_PROXY_HEALTH_PORT}",
        health=f"http://{LOOPBACK}:{KUBE_PROXY_HEALTH_PORT}/healthz",
        reads=(KUBE_PROXY_CONFIG, KUBE_PROXY.kubeconfig),
    )
