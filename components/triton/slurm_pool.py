"""A pool of servers that are Slurm jobs behind a virtual node, each reached through a tunnel pod."""

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest
from components.labels import tunnel_selector
from components.network import Edge, addresses, namespace_pods
from components.pod import pod_guards
from components.rollout import Promise
from components.server_pool import Queue, ServerPool
from components.triton import pool
from components.triton.args import SlurmPoolArgs
from components.triton.slurm_pod import pod_template, settling_seconds
from components.tunnel import AUTHORIZED_KEYS_FILE, HOST_KEY_FILE, SSH_PORT, WSTUNNEL_PORT
from components.virtual_node.rights import role_ref, stack_rules, subjects
from components.virtual_node.sshd import host_key_file, secret_files
from stacks.schema.server import Server
from stacks.schema.virtual_nodes import SshTunnel, WstunnelTunnel

_MIN_READY_SECONDS = 0
"""interLink reports no time at which a pod became ready, and Kubernetes never takes such a pod for available when it
must have been ready for a while. The readiness probe waits instead."""

_STATUS_LAG_SECONDS = 40
"""Time until the state of one more job is seen: the plugin asks Slurm once in 10 s for one pod. Measured with up to ten
pods."""


class SlurmPool(pool.Pool):
    """Deployment of virtual pods, headless Service, budget and NetworkPolicy of their tunnel pods, and what these need.

    interLink's virtual kubelet makes a tunnel pod for each virtual pod, in the namespace of the stack, and a Role lets
    it. The readiness of a tunnel pod is that of the server in the job; that of a virtual pod is not, once it was ready.
    """

    def __init__(self, name: str, args: SlurmPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.server_pool = server_pool(args)
        selector = tunnel_selector(args.naming.instance, args.pool.name)
        guards = pod_guards(self, pool.metadata(args), selector=selector, policy=network_policy_spec(args))
        self._service(args, selector)
        secret = self._tunnel_secret(args)
        kept = promise(args)
        template = pod_template(args, start_seconds=kept.start_seconds, tunnel_secret=secret)
        self.rolled_out = self._deployment(
            args, template, kept, after=[*guards, self._rights(args)], min_ready_seconds=_MIN_READY_SECONDS
        )
        self.register_outputs({"host": self.server_pool.host, "deployment_name": args.name})

    def _rights(self, args: SlurmPoolArgs) -> pulumi.Resource:
        """Let the virtual kubelet tell the state of pods and make tunnels in the namespace of the stack."""
        metadata = pool.metadata(args)
        role = k8s.rbac.v1.Role(self.child("role"), metadata=metadata, rules=stack_rules(), opts=self.options())
        binding: pulumi.Resource = k8s.rbac.v1.RoleBinding(
            self.child("role-binding"),
            metadata=metadata,
            role_ref=role_ref("Role", args.name),
            subjects=subjects(args.node),
            opts=self.options(depends_on=[role]),
        )
        return binding

    def _tunnel_secret(self, args: SlurmPoolArgs) -> pulumi.Output[str] | None:
        """Make the Secret of the tunnel pods' sshd; None for another transport."""
        tunnel = args.node.tunnel
        if not isinstance(tunnel, SshTunnel):
            return None
        files: dict[str, pulumi.Input[str]] = {
            HOST_KEY_FILE: args.secrets[tunnel.host_key_secret].apply(host_key_file),
            AUTHORIZED_KEYS_FILE: f"{tunnel.public_key}\n",
            **secret_files(),
        }
        return self._secret("tunnel-keys", args, files)


def server_pool(args: SlurmPoolArgs) -> ServerPool:
    """Return the pool as the other parts of the stack see it: its tunnel pods."""
    return pool.server_pool(
        args,
        servers=tunnel_selector(args.naming.instance),
        metrics="tunnel-metrics",
        pod_pattern=tunnel_pod_pattern(args.name, args.naming.namespace),
        queue=Queue(
            virtual_node=args.node.name,
            wait_seconds=args.pool.queue_wait_seconds,
            start_seconds=start_seconds(args.server, args.image),
        ),
    )


def tunnel_pod_pattern(deployment: str, namespace: str) -> str:
    """Return a regular expression for the names of the tunnel pods of a Deployment's virtual pods.

    interLink calls the tunnel's Deployment `wstunnel-<virtual pod>-<namespace>`, and the API server keeps 58 characters
    of that before the five of its own. StackConfig refuses a name that leaves no room for the virtual pod's.
    """
    return f"wstunnel-{deployment}-[a-z0-9]{{1,10}}-[a-z0-9]{{5}}-{namespace[:1]}[a-z0-9-]*"


def network_policy_spec(args: SlurmPoolArgs) -> Manifest:
    """Return the spec of the tunnel pods' NetworkPolicy. They open no connection: whoever has a job's end of a tunnel
    must not reach the cluster through it."""
    return pool.network_policy_spec(
        args, tunnel_selector(args.naming.instance, args.pool.name), ingress=[_sessions(args.node.tunnel)]
    )


def _sessions(tunnel: SshTunnel | WstunnelTunnel) -> Edge:
    match tunnel:
        case SshTunnel():
            return Edge(peers=addresses(tunnel.session_cidrs), ports=[SSH_PORT])
        case WstunnelTunnel():
            return Edge(peers=[namespace_pods(tunnel.controller_namespace)], ports=[WSTUNNEL_PORT])


def promise(args: SlurmPoolArgs) -> Promise:
    """Return the servers that an update promises. A job waits in the queue instead of for its image."""
    return pool.promise(
        args,
        start_seconds=start_seconds(args.server, args.image),
        pull_seconds=args.pool.queue_wait_seconds
        + settling_seconds(args.server, args.timing)
        + _STATUS_LAG_SECONDS * args.share.servers_min,
    )


def start_seconds(server: Server, image: str) -> int:
    """Return the longest time from the start of a job until its server is ready. Where the job pulls its image, that is
    a part of it.

    Args:
        server: the experiment's server.
        image: its image, as a job takes it.
    """
    pulled = 0 if image.startswith("/") else pool.IMAGE_PULL_SECONDS
    return pulled + server.start_timeout_seconds
