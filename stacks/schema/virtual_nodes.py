"""Virtual nodes of interLink: nodes of the cluster whose pods are Slurm jobs elsewhere."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Cidr,
    Count,
    DnsLabel,
    Hostname,
    ImageReference,
    InterLinkRelease,
    Model,
    OwnNamespace,
    PlainPath,
    Port,
    SecretName,
    Sha256,
    SshPublicKey,
    Text,
    UserName,
    Words,
    twice,
)
from stacks.schema.remote_apis import HttpsApi, OAuth2Api
from stacks.schema.runtime_options import RuntimeOptions
from stacks.schema.url import HttpsUrl, endpoint

_FREE_PORT_MIN = 1024


class PluginMount(Model):
    """A claim in the container of the Slurm plugin."""

    claim: DnsLabel
    """Name of the PersistentVolumeClaim, in the virtual kubelet's namespace."""
    path: AbsolutePath
    """Mount path."""
    read_only: bool = False
    """true: for files such as munge's key and slurm.conf."""


class SocketApi(Model):
    """interLink's API and Slurm plugin in the virtual kubelet's pod. They speak over a Unix socket and the pod's
    loopback network, so no port is open. The Slurm commands of the plugin's image submit the jobs."""

    kind: Literal["socket"]
    """In the virtual kubelet's pod."""
    plugin_image: ImageReference
    """Slurm plugin with the Slurm commands of the cluster's release, and munge where the cluster has it. Its root is
    read-only; it may write to /run, /tmp and /var/log."""
    plugin_command: Words
    """Command that starts the plugin in the image, and munged before it: a program and its arguments."""
    mounts: tuple[PluginMount, ...] = ()
    """Claims that the plugin needs: the one that holds slurm.data_folder, munge's key, slurm.conf."""
    user_id: Annotated[int, Field(ge=0)] = 10105
    """User of the plugin in its container. 0 lets `sbatch --uid` submit for others, and Pod Security `restricted`
    forbids it."""

    controller_port: Port = 6817
    """`SlurmctldPort` of slurm.conf, to which alone the plugin may connect."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A path holds one claim."""
        for path in twice([mount.path for mount in self.mounts]):
            yield BrokenRule(f"two mounts have the path `{path}`: give each its own", ("mounts",))


class _TunnelPods(Model):
    """Pods that carry the requests of one server each."""

    cpu_cores: Annotated[float, Field(gt=0)] = 0.5
    """CPU request and limit of a tunnel pod, in cores. It decrypts every request of its server and encrypts every
    answer."""


class SshTunnel(_TunnelPods):
    """Each job forwards its server's ports to its tunnel pod by `ssh -R`. The pod's sshd takes nothing else."""

    kind: Literal["ssh"]
    """OpenSSH on both sides."""
    session_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Address ranges that sessions come from, as the tunnel pods see them: the bastion's, else the compute nodes'."""
    host: Hostname | None = None
    """Bastion that the compute nodes reach (`ssh -J`) and that reaches Services of the cluster. None: the compute nodes
    reach them themselves."""
    port: Port = 22
    """Port of the bastion."""
    user: UserName = "sonic"
    """User at the bastion."""
    bastion_public_key: SshPublicKey | None = None
    """Public host key of the bastion, for the known hosts of the jobs; required with host."""
    private_key_file: Annotated[PlainPath, Field(examples=["/home/sonic/.ssh/tunnel"])]
    """Private key of the jobs, on the compute nodes. Only the user of the jobs may read it. It opens no shell: tunnel
    pods take ports from it, and nothing else."""
    public_key: SshPublicKey
    """Its public key, which the tunnel pods take."""
    host_key_secret: Annotated[SecretName, Field(examples=["tunnel-host-key"])]
    """Name of the Pulumi secret with the private host key of the tunnel pods: the text of an OpenSSH ed25519 key."""
    host_public_key: SshPublicKey
    """Its public key, for the known hosts of the jobs."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A bastion has a host key, and jobs and tunnel pods have two."""
        if (self.host is None) != (self.bastion_public_key is None):
            given, missing = ("host", "bastion_public_key")
            if self.host is None:
                given, missing = missing, given
            yield BrokenRule(f"{given} is set but {missing} is not: add it, or remove the first", (given,))
        if self.public_key == self.host_public_key:
            yield BrokenRule(
                "public_key and host_public_key are one key, and the tunnel pods' private host key would be on the "
                "compute nodes: make a key for each",
                ("public_key", "host_public_key"),
            )


class WstunnelTunnel(_TunnelPods):
    """Each job forwards its server's ports to its tunnel pod by wstunnel, in a websocket over TLS through the ingress
    controller."""

    kind: Literal["wstunnel"]
    """wstunnel on both sides."""
    domain: Hostname
    """Domain of the tunnels: each has the host `<tunnel>-<namespace>.<domain>`, so DNS has a wildcard record for it."""
    port: Port = 443
    """Port of the ingress controller for TLS."""
    class_name: DnsLabel | None = None
    """Class of the Ingresses; by default the cluster's default class."""
    ingress_annotations: dict[Text, str] = {}
    """Annotations of the Ingresses, such as the controller's time-outs of a websocket that carries no request."""
    tls_secret: DnsLabel
    """Secret of the stack's namespace with a certificate for `*.<domain>`. The clients check it by the authorities of
    the compute nodes."""
    controller_namespace: DnsLabel
    """Namespace of the ingress controller, which alone may reach the tunnel pods' wstunnel."""
    client_file: PlainPath
    """wstunnel's program on the compute nodes, of the release in components/versions.py."""
    client_sha256: Sha256
    """SHA-256 sum of the program. A job whose copy has another does not start it."""


class SlurmCluster(Model):
    """The Slurm cluster behind a virtual node."""

    cluster: Text
    """Name of the cluster, for people: `ClusterName` of slurm.conf."""
    data_folder: Annotated[PlainPath, Field(examples=["/home/interlink/data"])]
    """Folder of the jobs' scripts and logs, on a file system that the plugin and the compute nodes share under one
    path."""
    runtime_path: AbsolutePath = "/usr/bin/apptainer"
    """apptainer or singularity, on the compute nodes."""
    runtime_options: RuntimeOptions = ("--nv", "--no-eval", "--containall")
    """Options before those of a pool."""
    commands_folder: AbsolutePath = "/usr/bin"
    """Folder of sbatch, squeue, scancel and sinfo, where the plugin runs."""
    kill_wait_seconds: Count = 30
    """`KillWait` of slurm.conf: time from SIGTERM to SIGKILL of a job, in seconds."""
    scancel_wrapper: bool = False
    """true: the plugin cancels a running job by the script `scancel` of the edge's files. It sends SIGTERM to the job's
    drain and no SIGKILL, so a drain may take longer than kill_wait_seconds."""


class SlurmAgent(Model):
    """The agent of the Slurm cluster, as Prometheus reaches it. Both sides prove who they are by certificates. A
    Prometheus of kind `external` is told by its administrator: docs/install-edge.md."""

    url: HttpsUrl
    """URL of the agent with its port, such as https://slurm.example.org:9910. Its metrics are at /metrics."""
    certificate_secret: DnsLabel
    """Secret with the certificate that the agent takes from Prometheus: `tls.crt`, `tls.key`, and `ca.crt`, the
    authorities by which Prometheus knows the agent. It is in the stack's namespace, or in
    monitoring.monitor_namespace."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The agent is no root, who alone may listen on a port below 1024."""
        port = endpoint(self.url).port
        if port < _FREE_PORT_MIN:
            yield BrokenRule(
                f"url has port {port}, where root alone can listen: write a port from {_FREE_PORT_MIN} on, such as "
                "9910",
                ("url",),
            )


class Capacity(Model):
    """The resources that a virtual node offers to the scheduler, all pods together."""

    cpu_cores: Count
    """CPU cores."""
    memory_gib: Count
    """Memory in GiB."""
    pods: Count
    """Pods."""


class VirtualNode(Model):
    """A node of the cluster whose pods are jobs of a Slurm cluster, by interLink."""

    name: DnsLabel
    """Name of the node."""
    interlink: InterLinkRelease
    """Release of interLink, of both sides, such as "0.6.1"."""
    namespace: OwnNamespace
    """Namespace of the virtual kubelet and its ServiceAccount. It must exist."""
    service_account: DnsLabel | None = None
    """ServiceAccount of the virtual kubelet; by default it has the node's name. Stacks let it make tunnels in their
    namespaces."""
    deployed: bool = False
    """true: the stack `singletons_owner` deploys the virtual kubelet. false: it is somebody else's, such as interLink's
    own chart, for which `python -m stacks edge` writes the values."""
    api_server_cidrs: tuple[Cidr, ...] = ()
    """Addresses of the cluster's API servers, which alone then reach the virtual kubelet's port, for `kubectl logs`. By
    default nobody does: the port asks for no authentication."""
    api: Annotated[SocketApi | HttpsApi | OAuth2Api, Field(discriminator="kind")]
    """interLink's API, which turns pods into jobs."""
    tunnel: Annotated[SshTunnel | WstunnelTunnel, Field(discriminator="kind")]
    """The way from the cluster to servers in jobs."""
    slurm: SlurmCluster
    """The Slurm cluster."""
    capacity: Capacity
    """Resources that the node offers."""
    agent: SlurmAgent | None = None
    """Address of the agent, for alerts and accounts of the Slurm cluster. None: its metrics stay on its own host."""

    @property
    def account(self) -> str:
        """Name of the virtual kubelet's ServiceAccount."""
        return self.service_account or self.name

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A plugin that is deployed writes the jobs' files to a claim."""
        if self.deployed and isinstance(self.api, SocketApi):
            folder = PurePosixPath(self.slurm.data_folder)
            writable = [mount.path for mount in self.api.mounts if not mount.read_only]
            if not any(folder.is_relative_to(path) for path in writable):
                yield BrokenRule(
                    f"slurm.data_folder is `{self.slurm.data_folder}`, which no writable mount of the plugin holds, so "
                    "jobs would not find their scripts: add the claim of the shared file system to api.mounts",
                    ("slurm.data_folder", "api.mounts"),
                )
