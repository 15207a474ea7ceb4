"""A pool of servers that are pods on nodes of this cluster."""

import base64
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest
from components.network import dns, edge_to_url
from components.pod import deployment_pod_pattern, pod_guards, scrape_annotations
from components.rollout import Promise
from components.server_pool import ServerPool
from components.triton import liveness as liveness_script
from components.triton import pool
from components.triton.args import TritonPoolArgs
from components.triton.server import LIVENESS_FILE, METRICS_PATH, METRICS_PORT
from components.triton.server_pod import pod_spec


class TritonPool(pool.Pool):
    """Deployment, headless Service, liveness script, budget, ServiceAccount and NetworkPolicy of one pool's servers."""

    def __init__(self, name: str, args: TritonPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.server_pool = server_pool(args)
        guards = pod_guards(
            self,
            pool.metadata(args),
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
        self._service(args, args.labels.selector)
        template = pod_template(args, liveness.metadata.name, self._environment_secret(args))
        self.rolled_out = self._deployment(args, template, promise(args), after=guards)
        self.register_outputs({"host": self.server_pool.host, "deployment_name": args.name})

    def _environment_secret(self, args: TritonPoolArgs) -> pulumi.Output[str] | None:
        """Make the Secret with the values of variables; None without such variables."""
        names = args.server.secret_environment
        if not names:
            return None
        return self._secret("environment", args, {variable: args.secrets[name] for variable, name in names.items()})


def server_pool(args: TritonPoolArgs) -> ServerPool:
    """Return the pool as the other parts of the stack see it."""
    return pool.server_pool(
        args,
        servers=args.naming.labels("triton").selector,
        metrics="server-metrics",
        pod_pattern=deployment_pod_pattern(args.name),
    )


def pod_template(
    args: TritonPoolArgs, liveness_name: pulumi.Input[str], environment_secret: pulumi.Input[str] | None = None
) -> Manifest:
    """Return the template of a server's pod, with the names of the ConfigMap that holds the liveness script and of the
    Secret that holds variables."""
    annotations = {**args.pool.pod_annotations, **scrape_annotations(METRICS_PORT, METRICS_PATH)}
    return {
        "metadata": {"labels": {**args.pool.pod_labels, **args.labels.all}, "annotations": annotations},
        "spec": pod_spec(args, liveness_name, environment_secret),
    }


def network_policy_spec(args: TritonPoolArgs) -> Manifest:
    """Return the spec of the servers' NetworkPolicy."""
    collector = [edge_to_url(args.tracing.url)] if args.tracing else []
    egress = [dns(args.naming.dns_cidrs), *args.repository.egress, *collector]
    return pool.network_policy_spec(args, args.labels.selector, egress=egress)


def promise(args: TritonPoolArgs) -> Promise:
    """Return the servers that an update promises."""
    start_seconds = args.server.start_timeout_seconds
    return pool.promise(args, start_seconds=start_seconds, pull_seconds=pool.IMAGE_PULL_SECONDS)
