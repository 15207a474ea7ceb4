"""The Envoy before the servers: one address, balancing, health, retries, drain."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.envoy.args import AdmissionArgs, EnvoyProxyArgs
from components.envoy.bootstrap import bootstrap
from components.envoy.deployment import BOOTSTRAP_FILE, START_SECONDS, deployment_spec, scripts
from components.envoy.feature import config_map_key
from components.envoy.features import features
from components.envoy.ports import GRPC_PORT, STATS_PORT
from components.envoy.validate import find_envoy, validate_bootstrap
from components.exposure import ClientEndpoint, ClientEndpointArgs
from components.ingress import caller_peers
from components.labels import version_label
from components.network import Edge, dns, policy_spec
from components.pod import pod_guards
from components.rollout import SMALL_IMAGE_PULL_SECONDS, Promise, RolledOut, not_awaited, revision_of

__all__ = ["GRPC_PORT", "STATS_PORT", "AdmissionArgs", "EnvoyProxy", "EnvoyProxyArgs"]

_MARGIN_SECONDS = 60
"""For a node to tell the API server that a pod is gone."""


class EnvoyProxy(SonicComponent):
    """Deployment with its configuration, PodDisruptionBudget, ServiceAccount, NetworkPolicy, and the clients' address.

    The configuration is validated by a real Envoy while the program runs, so in a preview already: an invalid one never
    reaches the cluster.
    """

    rolled_out: RolledOut
    """Envoys that an update promises."""
    endpoints: tuple[ClientEndpoint, ...]
    """Addresses of clients, in the order of `ways_in`."""

    def __init__(self, name: str, args: EnvoyProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Manifest = {"name": args.name, "namespace": args.naming.namespace, "labels": args.labels.all}

        config = k8s.core.v1.ConfigMap(
            self.child("config"),
            # Named by Pulumi: a changed map is another map, and another map rolls the pods.
            metadata={"namespace": args.naming.namespace, "labels": args.labels.all},
            data=_valid_files(args),
            immutable=True,
            opts=self.options(),
        )
        guards = pod_guards(self, metadata, selector=args.labels.selector, policy=network_policy_spec(args))
        self.endpoints = tuple(
            ClientEndpoint(
                self.child(f"endpoint-{further}" if further else "endpoint"),
                ClientEndpointArgs(
                    name=way.service,
                    namespace=args.naming.namespace,
                    cluster_domain=args.naming.cluster_domain,
                    labels=args.labels,
                    port=GRPC_PORT,
                    exposure=way.exposure,
                    wait_seconds=args.timing.stream_idle_timeout_seconds,
                    ip_families=args.naming.ip_families,
                ),
                self.options(),
            )
            for further, way in enumerate(args.ways_in)
        )
        spec = deployment_spec(args, config.metadata.name)
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=not_awaited(metadata | {"labels": {**args.labels.all, **version_label(args.image)}}),
            spec=spec,
            opts=self.options(
                depends_on=guards,
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{args.timing.envoy_grace_seconds + _MARGIN_SECONDS}s"),
            ),
        )
        self.rolled_out = RolledOut(
            promise=Promise(
                deployment=args.name,
                pods_min=args.proxy.replicas,
                start_seconds=START_SECONDS,
                pull_seconds=SMALL_IMAGE_PULL_SECONDS,
            ),
            revision=revision_of(spec["template"]),
        )
        self.register_outputs({"endpoints": [endpoint.outputs for endpoint in self.endpoints]})


def network_policy_spec(args: EnvoyProxyArgs) -> Manifest:
    """Spec of the NetworkPolicy. The kubelet's probes come from the node, which no policy can shut out."""
    return policy_spec(
        args.labels.selector,
        ingress=[
            Edge(peers=_distinct_peers(args), ports=[GRPC_PORT]),
            Edge(peers=[args.prometheus_peer], ports=[STATS_PORT]),
        ],
        egress=[
            dns(args.naming.dns_cidrs),
            *(Edge(peers=pool.peers, ports=[pool.port]) for pool in args.pools),
            *(edge for part in features(args) for edge in part.egress),
        ],
    )


def _distinct_peers(args: EnvoyProxyArgs) -> Sequence[Mapping[str, Any]]:
    """Return the NetworkPolicy peers that call on any way, each once."""
    peers = [peer for way in args.ways_in for peer in caller_peers(way.exposure)]
    return [peer for index, peer in enumerate(peers) if peer not in peers[:index]]


def _valid_files(args: EnvoyProxyArgs) -> dict[str, str]:
    """Content of the ConfigMap."""
    config = bootstrap(args)
    parts = features(args)
    files = {name: content for part in parts for name, content in part.files.items()}
    try:
        validate_bootstrap(config, envoy=find_envoy(), files=files)
    except ValueError as error:
        raise pulumi.RunError(str(error)) from None
    return {
        BOOTSTRAP_FILE: json.dumps(config, indent=2),
        **{name: Path(__file__).with_name(name).read_text() for name in scripts(parts)},
        **{config_map_key(path): content for path, content in files.items()},
    }
