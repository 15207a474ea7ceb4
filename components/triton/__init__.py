"""Triton servers of one capacity pool, behind one headless Service."""

import base64
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.labels import version_label
from components.network import Edge, dns, dual_stack, pods, policy_spec
from components.pod import deployment_pod_pattern, pod_guards, scrape_annotations
from components.rollout import Promise, RolledOut, not_awaited, revision_of
from components.server_pool import MetricTarget, ScaleTarget, ServerPool
from components.triton import liveness as liveness_script
from components.triton.args import TritonPoolArgs
from components.triton.server import GRPC_PORT, HTTP_PORT, LIVENESS_FILE, METRICS_PATH, METRICS_PORT
from components.triton.server_pod import pod_spec

__all__ = ["GRPC_PORT", "TritonPool", "TritonPoolArgs"]

_IMAGE_PULL_SECONDS = 1200
"""NVIDIA's image has about 10 GiB."""
_MIN_READY_SECONDS = 5
"""Long enough that a server which crashes on its first requests stops the rollout, and not longer: DNS drops the old
server and lists the new one in the same answer, so Envoy needs no overlap."""


_FIXED_NUMBER = {
    # Where KEDA does not own `replicas`, we do. Force the field: after `kubectl scale`, or when an autoscaler was
    # removed, its old owner would make the update fail.
    "pulumi.com/patchForce": "true",
}


class TritonPool(SonicComponent):
    """Deployment, headless Service, liveness script, budget, ServiceAccount and NetworkPolicy of one pool's servers.

    KEDA owns `replicas` of an autoscaled pool, so the Deployment leaves it out. A new Deployment then starts one
    server, which tests image and models before further GPUs are taken. The HorizontalPodAutoscaler that KEDA makes next
    raises it to servers_min before it looks at any metric. A Deployment that had a fixed number keeps it:
    `ignore_changes` keeps Pulumi from giving the field up, which would make Kubernetes set it to 1.
    """

    server_pool: ServerPool
    """The pool as the other parts of the stack see it."""
    rolled_out: RolledOut
    """Servers that an update promises."""

    def __init__(self, name: str, args: TritonPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Manifest = {"name": args.name, "namespace": args.naming.namespace, "labels": args.labels.all}
        self.server_pool = server_pool(args)

        guards = pod_guards(
            self,
            metadata,
            selector=args.labels.selector,
            policy=network_policy_spec(args),
            account_annotations=args.repository.account_annotations,
        )
        liveness = k8s.core.v1.ConfigMap(
            self.child("liveness"),
            # Named by Pulumi: a changed map is another map, and another map rolls the pods.
            metadata={"namespace": args.naming.namespace, "labels": args.labels.all},
            data={LIVENESS_FILE: Path(liveness_script.__file__).read_text(encoding="utf-8")},
            binary_data={name: base64.b64encode(content).decode() for name, content in args.self_tests.items()},
            immutable=True,
            opts=self.options(),
        )
        k8s.core.v1.Service(
            self.child("service"), metadata=not_awaited(metadata), spec=service_spec(args), opts=self.options()
        )
        spec = deployment_spec(args, liveness.metadata.name, self._environment_secret(args))
        fixed = {} if args.share.autoscaled else _FIXED_NUMBER
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(
                metadata | {"labels": {**args.labels.all, **version_label(args.image)}, "annotations": fixed}
            ),
            spec=spec,
            opts=self.options(
                depends_on=guards,
                ignore_changes=["spec.replicas"] if args.share.autoscaled else None,
                hooks=self._hooks(args),
            ),
        )
        self.rolled_out = RolledOut(promise=_promise(args), revision=revision_of(spec["template"]))
        self.register_outputs({"host": self.server_pool.host, "deployment_name": args.name})

    def _hooks(self, args: TritonPoolArgs) -> pulumi.ResourceHookBinding | None:
        """Return the hook by which a fixed number takes over from an autoscaler."""
        hooks = args.hooks
        if hooks is None or args.share.autoscaled:
            return None

        async def stop(_: pulumi.ResourceHookArgs) -> None:
            await hooks.stop_autoscaler(args.name)

        return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(self.child("stop-autoscaler"), stop)])

    def _environment_secret(self, args: TritonPoolArgs) -> pulumi.Output[str] | None:
        """Make the Secret with the values of variables; None without such variables."""
        names = args.server.secret_environment
        if not names:
            return None
        secret: k8s.core.v1.Secret = k8s.core.v1.Secret(
            self.child("environment"),
            # Named by Pulumi: a changed value is another Secret, which rolls the pods.
            metadata={"namespace": args.naming.namespace, "labels": args.labels.all},
            string_data={variable: args.secrets[name] for variable, name in names.items()},
            immutable=True,
            opts=self.options(),
        )
        name: pulumi.Output[str] = secret.metadata.apply(lambda metadata: str(metadata.name))
        return name


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
        metrics=MetricTarget(
            name="server-metrics",
            namespace=args.naming.namespace,
            labels=servers,
            port=METRICS_PORT,
            path=METRICS_PATH,
        ),
        pod_pattern=deployment_pod_pattern(args.name),
        scale_target=scale_target if args.share.autoscaled else None,
        timing=args.timing,
    )


def deployment_spec(
    args: TritonPoolArgs, liveness_name: pulumi.Input[str], environment_secret: pulumi.Input[str] | None = None
) -> Manifest:
    """Return the spec of the Deployment, with the names of the ConfigMap that holds the liveness script and of the
    Secret that holds variables."""
    # With a spare place the rollout adds a server before it removes one. Without, it would wait for ever.
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
        # An old revision would wait for its ConfigMap, which is deleted.
        "revisionHistoryLimit": 0,
        "template": {
            "metadata": {
                "labels": {**args.share.pool.pod_labels, **args.labels.all},
                "annotations": {
                    **args.share.pool.pod_annotations,
                    **scrape_annotations(METRICS_PORT, METRICS_PATH),
                },
            },
            "spec": pod_spec(args, liveness_name, environment_secret),
        },
    }


def network_policy_spec(args: TritonPoolArgs) -> Manifest:
    """Return the spec of the NetworkPolicy. No policy can deny the kubelet's probes, which come from the node."""
    managers = [pods(manager.pod_labels, manager.namespace) for manager in args.model_managers]
    return policy_spec(
        args.labels.selector,
        ingress=[
            Edge(peers=[pods(args.proxy_selector)], ports=[GRPC_PORT]),
            Edge(peers=[args.prometheus_peer], ports=[METRICS_PORT]),
            # An edge without peers would let in everybody.
            *([Edge(peers=managers, ports=[HTTP_PORT, GRPC_PORT])] if managers else []),
        ],
        egress=[dns(args.naming.dns_cidrs), *args.repository.egress],
    )


def service_spec(args: TritonPoolArgs) -> Manifest:
    """Return the spec of the headless Service: DNS lists every ready server, and Envoy balances."""
    return {
        "clusterIP": "None",
        **dual_stack(args.naming.ip_families),
        "selector": args.labels.selector,
        "ports": [{"name": "grpc", "port": GRPC_PORT, "targetPort": GRPC_PORT, "appProtocol": "kubernetes.io/h2c"}],
    }


def _first_start_seconds(args: TritonPoolArgs) -> int:
    return _IMAGE_PULL_SECONDS + args.server.start_timeout_seconds + _MIN_READY_SECONDS


def _promise(args: TritonPoolArgs) -> Promise:
    return Promise(
        deployment=args.name,
        pods_min=args.share.servers_min,
        autoscaled=args.share.autoscaled,
        start_seconds=args.server.start_timeout_seconds,
        pull_seconds=_IMAGE_PULL_SECONDS,
    )
