"""The virtual kubelet of interLink: a node of the cluster whose pods are jobs of a Slurm cluster."""

import json

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from components.virtual_node.args import TokenArgs, VirtualNodeArgs, VirtualNodeImages
from components.virtual_node.deployment import deployment_spec, network_policy_spec
from components.virtual_node.kubelet_config import CONFIG_FILE, CONFIG_FOLDER, TEMPLATE_FILE, kubelet_config
from components.virtual_node.rights import LEASE_NAMESPACE, cluster_rules, lease_rules, role_ref, subjects
from components.virtual_node.slurm_side import INTERLINK_FILE, SLURM_FILE, interlink_config, scripts, slurm_config
from components.virtual_node.token_pod import CLIENT_SECRET_KEY, PROGRAM_FILE, program
from components.virtual_node.tunnel_template import tunnel_template

__all__ = ["TokenArgs", "VirtualNode", "VirtualNodeArgs", "VirtualNodeImages", "config_files"]


class VirtualNode(SonicComponent):
    """Deployment of the virtual kubelet, its configuration, its rights, and a NetworkPolicy that closes its port.

    It makes the Node itself. The rights to make tunnels are in the namespaces of the stacks, which give them.
    """

    def __init__(self, name: str, args: VirtualNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        anonymous: Manifest = {"namespace": args.node.namespace, "labels": args.labels}
        metadata: Manifest = {"name": args.name, **anonymous}
        account = k8s.core.v1.ServiceAccount(
            self.child("account"),
            metadata={"name": args.node.account, **anonymous},
            automount_service_account_token=False,
            opts=self.options(),
        )
        policy = k8s.networking.v1.NetworkPolicy(
            self.child("policy"), metadata=metadata, spec=network_policy_spec(args), opts=self.options()
        )
        config = k8s.core.v1.ConfigMap(
            self.child("config"),
            metadata=anonymous,  # Pulumi names it anew when it changes, which rolls the pod
            data=config_files(args),
            immutable=True,
            opts=self.options(),
        )
        k8s.apps.v1.Deployment(
            self.child("deployment"),
            metadata=metadata,
            spec=deployment_spec(args, config.metadata["name"], client_secret=self._client_secret(args)),
            opts=self.options(depends_on=[policy, *self._rights(args, account)]),
        )
        self.register_outputs({"node": args.node.name})

    def _client_secret(self, args: VirtualNodeArgs) -> pulumi.Output[str] | None:
        """Make the Secret of the OAuth2 client and return its name; None where interLink's API takes no tokens."""
        if args.token is None:
            return None
        secret: k8s.core.v1.Secret = k8s.core.v1.Secret(
            self.child("client-secret"),
            metadata={"namespace": args.node.namespace, "labels": args.labels},
            string_data={CLIENT_SECRET_KEY: args.token.client_secret},
            immutable=True,
            opts=self.options(),
        )
        name: pulumi.Output[str] = secret.metadata.apply(lambda metadata: str(metadata.name))
        return name

    def _rights(self, args: VirtualNodeArgs, account: pulumi.Resource) -> list[pulumi.Resource]:
        """Let the account register the node, read pods, and renew the node's lease."""
        bound = subjects(args.node)
        cluster: Manifest = {"name": args.name, "labels": args.labels}
        lease: Manifest = {**cluster, "namespace": LEASE_NAMESPACE}
        cluster_role = k8s.rbac.v1.ClusterRole(
            self.child("cluster-role"), metadata=cluster, rules=cluster_rules(args.node.name), opts=self.options()
        )
        lease_role = k8s.rbac.v1.Role(
            self.child("lease-role"), metadata=lease, rules=lease_rules(args.node.name), opts=self.options()
        )
        return [
            k8s.rbac.v1.ClusterRoleBinding(
                self.child("cluster-role-binding"),
                metadata=cluster,
                role_ref=role_ref("ClusterRole", args.name),
                subjects=bound,
                opts=self.options(depends_on=[cluster_role, account]),
            ),
            k8s.rbac.v1.RoleBinding(
                self.child("lease-role-binding"),
                metadata=lease,
                role_ref=role_ref("Role", args.name),
                subjects=bound,
                opts=self.options(depends_on=[lease_role, account]),
            ),
        ]


def config_files(args: VirtualNodeArgs) -> dict[str, str]:
    """Return the files of the ConfigMap, by name: JSON, which is YAML too, a template, and scripts."""
    configs = {CONFIG_FILE: kubelet_config(args.node)}
    if args.socket is not None:
        configs[INTERLINK_FILE] = interlink_config(args.node)
        configs[SLURM_FILE] = slurm_config(args.node, folder=CONFIG_FOLDER)
    return {
        **{name: json.dumps(config, indent=2) for name, config in configs.items()},
        TEMPLATE_FILE: tunnel_template(args.node, args.images, pull_secret=args.naming.pull_secret),
        **(scripts(args.node) if args.socket is not None else {}),
        **({PROGRAM_FILE: program()} if args.token is not None else {}),
    }
