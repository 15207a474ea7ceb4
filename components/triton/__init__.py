"""Triton servers of one capacity pool, behind one headless Service."""

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.network import DNS, Edge, pods, policy_spec
from components.pod import deployment_pod_pattern, pod_guards, scrape_annotations
from components.server_pool import MetricTarget, ScaleTarget, ServerPool
from components.triton.args import TritonPoolArgs
from components.triton.pod import pod_spec
from components.triton.server import GRPC_PORT, METRICS_PATH, METRICS_PORT

__all__ = ["GRPC_PORT", "TritonPool", "TritonPoolArgs"]

_IMAGE_PULL_SECONDS = 1200
"""An image of NVIDIA's is some 10 GiB."""
_MIN_READY_SECONDS = 5
"""A server that falls over with its first requests stops a rollout. No longer: the DNS answer without the old server is
the one with the new, so no time must pass between them for Envoy's sake."""


_FIXED_NUMBER = {
    # A number that is not KEDA's is the program's: it is taken back from a `kubectl scale`, and from the autoscaler
    # of a pool that no longer has one, whose name stays on the field and would refuse the update.
    "pulumi.com/patchForce": "true",
}


class TritonPool(SonicComponent):
    """Deployment, headless Service, PodDisruptionBudget, ServiceAccount and NetworkPolicy of one pool's servers.

    The number of servers is KEDA's where the pool is autoscaled, and then stated nowhere. A new Deployment so begins
    with one server, which proves image and models before further GPUs are taken, and the HorizontalPodAutoscaler that
    KEDA makes next raises it to servers_min before it looks at any metric. A Deployment that once stated its number
    goes on from there: `ignore_changes` keeps the field from being given up, which Kubernetes would answer by setting
    it to 1.
    """

    server_pool: ServerPool
    """The pool as the other parts of the stack see it."""

    def __init__(self, name: str, args: TritonPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Manifest = {"name": args.name, "namespace": args.naming.namespace, "labels": args.labels.all}
        self.server_pool = server_pool(args)

        guards = pod_guards(self, metadata, selector=args.labels.selector, policy=network_policy_spec(args))
        k8s.core.v1.Service(self.child("service"), metadata=metadata, spec=service_spec(args), opts=self.options())
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=metadata | ({} if args.share.autoscaled else {"annotations": _FIXED_NUMBER}),
            spec=deployment_spec(args),
            opts=self.options(
                depends_on=guards,
                ignore_changes=["spec.replicas"] if args.share.autoscaled else None,
                custom_timeouts=_timeouts(args),
            ),
        )
        self.register_outputs({"host": self.server_pool.host, "deployment_name": args.name})


def server_pool(args: TritonPoolArgs) -> ServerPool:
    """Return the pool as the other parts of the stack see it: pods of a Deployment behind a headless Service.

    The selector of its servers leaves out the pool: one edge of a policy then allows all pools of this kind.
    """
    servers = args.naming.labels("triton").selector
    scale_target = ScaleTarget(
        namespace=args.naming.namespace,
        api_version="apps/v1",
        kind="Deployment",
        name=args.name,
        labels=args.labels.all,
        servers_min=args.share.servers_min,
        servers_max=args.share.servers_max,
    )
    return ServerPool(
        name=args.share.pool.name,
        host=args.naming.host(args.name),
        port=GRPC_PORT,
        priority=args.priority,
        peers=(pods(servers),),
        metrics=MetricTarget(namespace=args.naming.namespace, labels=servers, port=METRICS_PORT, path=METRICS_PATH),
        pod_pattern=deployment_pod_pattern(args.name),
        scale_target=scale_target if args.share.autoscaled else None,
        timing=args.timing,
    )


def deployment_spec(args: TritonPoolArgs) -> Manifest:
    """Spec of the Deployment."""
    # With a spare place a server comes before one goes; without, waiting for a place would take for ever.
    surge, unavailable = (1, 0) if args.share.pool.spare_servers else (0, 1)
    replicas = {} if args.share.autoscaled else {"replicas": args.share.servers_min}
    return {
        **replicas,
        "selector": {"matchLabels": args.labels.selector},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
        },
        "minReadySeconds": _MIN_READY_SECONDS,
        "progressDeadlineSeconds": _first_start_seconds(args),
        "revisionHistoryLimit": 3,
        "template": {
            "metadata": {
                "labels": args.labels.all,
                "annotations": scrape_annotations(METRICS_PORT, METRICS_PATH),
            },
            "spec": pod_spec(args),
        },
    }


def network_policy_spec(args: TritonPoolArgs) -> Manifest:
    """Spec of the NetworkPolicy. The kubelet's probes come from the node, which no policy can shut out."""
    return policy_spec(
        args.labels.selector,
        ingress=[
            Edge(peers=[pods(args.proxy_selector)], ports=[GRPC_PORT]),
            Edge(peers=[args.prometheus_peer], ports=[METRICS_PORT]),
        ],
        egress=[DNS, *args.repository.egress],
    )


def service_spec(args: TritonPoolArgs) -> Manifest:
    """Spec of the headless Service: DNS answers with every server that is ready, and Envoy balances."""
    return {
        "clusterIP": "None",
        "selector": args.labels.selector,
        "ports": [{"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"}],
    }


def _first_start_seconds(args: TritonPoolArgs) -> int:
    return _IMAGE_PULL_SECONDS + args.server.start_timeout_seconds + _MIN_READY_SECONDS


def _timeouts(args: TritonPoolArgs) -> pulumi.CustomTimeouts:
    """The servers start together, and change one after the other: each stops, starts, and is looked at."""
    each = args.timing.grace_seconds + args.server.start_timeout_seconds + _MIN_READY_SECONDS
    return pulumi.CustomTimeouts(
        create=f"{_first_start_seconds(args)}s",
        update=f"{_IMAGE_PULL_SECONDS + args.share.servers_max * each}s",
    )
