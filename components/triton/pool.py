"""Parts that pools of every kind share: the Deployment, the headless Service, and the pool as other parts see it."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.labels import version_label
from components.network import Edge, dual_stack, pods, policy_spec
from components.rollout import Promise, RolledOut, not_awaited, revision_of
from components.server_pool import MetricTarget, Queue, ScaleTarget, ServerPool
from components.triton.args import ServersArgs
from components.triton.server import GRPC_PORT, HTTP_PORT, METRICS_PATH, METRICS_PORT

IMAGE_PULL_SECONDS = 1200
"""Longest time that a node takes to pull an image: NVIDIA's has about 10 GiB."""
AT_ONCE = 1
"""Servers that a rollout replaces at the same time."""
MIN_READY_SECONDS = 5
"""Long enough that a server which crashes on its first requests stops the rollout, and not longer: DNS drops the old
server and lists the new one in the same answer, so Envoy needs no overlap."""

_FIXED_NUMBER = {
    # Where KEDA does not own `replicas`, we do. Force the field: after `kubectl scale`, or when an autoscaler was
    # removed, its old owner would make the update fail.
    "pulumi.com/patchForce": "true",
}


class Pool(SonicComponent):
    """The servers of one pool, behind one headless Service. Subclasses make the pods.

    KEDA owns `replicas` of an autoscaled pool, so the Deployment leaves it out. A new Deployment then starts one
    server, which tests image and models before further GPUs are taken. The HorizontalPodAutoscaler that KEDA makes next
    raises it to servers_min before it looks at any metric. A Deployment that had a fixed number keeps it:
    `ignore_changes` keeps Pulumi from giving the field up, which would make Kubernetes set it to 1.
    """

    server_pool: ServerPool
    """The pool as the other parts of the stack see it."""
    rolled_out: RolledOut
    """Servers that an update promises."""

    def _service(self, args: ServersArgs, selector: Mapping[str, str]) -> None:
        k8s.core.v1.Service(
            self.child("service"),
            metadata=not_awaited(metadata(args)),
            spec=service_spec(args, selector),
            opts=self.options(),
        )

    def _secret(self, child: str, args: ServersArgs, values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
        """Make a Secret and return its name. Pulumi names it, so that a changed value rolls the pods."""
        secret: k8s.core.v1.Secret = k8s.core.v1.Secret(
            self.child(child),
            metadata={"namespace": args.naming.namespace, "labels": args.labels.all},
            string_data=values,
            immutable=True,
            opts=self.options(),
        )
        name: pulumi.Output[str] = secret.metadata.apply(lambda metadata: str(metadata.name))
        return name

    def _deployment(
        self,
        args: ServersArgs,
        template: Manifest,
        promise: Promise,
        *,
        after: Sequence[pulumi.Resource],
        min_ready_seconds: int = MIN_READY_SECONDS,
    ) -> RolledOut:
        """Register the Deployment of a pod template."""
        fixed = {} if args.share.autoscaled else _FIXED_NUMBER
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(
                metadata(args) | {"labels": {**args.labels.all, **version_label(args.image)}, "annotations": fixed}
            ),
            spec=deployment_spec(args, template, promise, min_ready_seconds=min_ready_seconds),
            opts=self.options(
                depends_on=after,
                ignore_changes=["spec.replicas"] if args.share.autoscaled else None,
                hooks=self._hooks(args),
            ),
        )
        return RolledOut(promise=promise, revision=revision_of(template))

    def _hooks(self, args: ServersArgs) -> pulumi.ResourceHookBinding | None:
        """Return the hook by which a fixed number takes over from an autoscaler."""
        hooks = args.hooks
        if hooks is None or args.share.autoscaled:
            return None

        async def stop(_: pulumi.ResourceHookArgs) -> None:
            await hooks.stop_autoscaler(args.name)

        return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(self.child("stop-autoscaler"), stop)])


def metadata(args: ServersArgs) -> Manifest:
    """Return the metadata of the pool's objects."""
    return {"name": args.name, "namespace": args.naming.namespace, "labels": args.labels.all}


def server_pool(
    args: ServersArgs, *, servers: Mapping[str, str], metrics: str, pod_pattern: str, queue: Queue | None = None
) -> ServerPool:
    """Return the pool as the other parts of the stack see it: pods behind a headless Service.

    Args:
        args: the pool.
        servers: labels of the pods, without the pool's: one edge of a policy then allows all pools of a kind.
        metrics: last part of the name of the Service or monitor that leads Prometheus to these pods.
        pod_pattern: regular expression of the whole names of the pool's pods.
        queue: batch queue of the servers; None: they wait in none.
    """
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
        metrics=MetricTarget(
            name=metrics,
            namespace=args.naming.namespace,
            labels=servers,
            port=METRICS_PORT,
            path=METRICS_PATH,
        ),
        pod_pattern=pod_pattern,
        scale_target=scale_target if args.share.autoscaled else None,
        timing=args.timing,
        queue=queue,
    )


def promise(args: ServersArgs, *, start_seconds: int, pull_seconds: int) -> Promise:
    """Return the servers that an update promises."""
    return Promise(
        deployment=args.name,
        pods_min=args.share.servers_min,
        autoscaled=args.share.autoscaled,
        start_seconds=start_seconds,
        pull_seconds=pull_seconds,
    )


def deployment_spec(
    args: ServersArgs, template: Manifest, promise: Promise, *, min_ready_seconds: int = MIN_READY_SECONDS
) -> Manifest:
    """Return the spec of the Deployment."""
    # With a spare place the rollout adds a server before it removes one. Without, it would wait for ever.
    surge, unavailable = (AT_ONCE, 0) if args.share.pool.spare_servers else (0, AT_ONCE)
    replicas = {} if args.share.autoscaled else {"replicas": args.share.servers_min}
    return {
        **replicas,
        "selector": {"matchLabels": args.pod_labels.selector},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
        },
        "minReadySeconds": min_ready_seconds,
        "progressDeadlineSeconds": promise.pull_seconds + promise.start_seconds + min_ready_seconds,
        # An old revision would wait for its ConfigMap, which is deleted.
        "revisionHistoryLimit": 0,
        "template": template,
    }


def service_spec(args: ServersArgs, selector: Mapping[str, str]) -> Manifest:
    """Return the spec of the headless Service: DNS lists every ready server, and Envoy balances."""
    return {
        "clusterIP": "None",
        **dual_stack(args.naming.ip_families),
        "selector": selector,
        "ports": [{"name": "grpc", "port": GRPC_PORT, "targetPort": GRPC_PORT, "appProtocol": "kubernetes.io/h2c"}],
    }


def network_policy_spec(
    args: ServersArgs, selector: Mapping[str, str], *, ingress: Sequence[Edge] = (), egress: Sequence[Edge] = ()
) -> Manifest:
    """Return the spec of the pods' NetworkPolicy. No policy can deny the kubelet's probes, which come from the node.

    Args:
        args: the pool.
        selector: labels of the pods.
        ingress: traffic to the pods besides requests and scrapes.
        egress: traffic from the pods.
    """
    managers = [pods(manager.pod_labels, manager.namespace) for manager in args.model_managers]
    return policy_spec(
        selector,
        ingress=[
            Edge(peers=[pods(args.proxy_selector)], ports=[GRPC_PORT]),
            Edge(peers=[args.prometheus_peer], ports=[METRICS_PORT]),
            # An edge without peers would let in everybody.
            *([Edge(peers=managers, ports=[HTTP_PORT, GRPC_PORT])] if managers else []),
            *ingress,
        ],
        egress=egress,
    )
