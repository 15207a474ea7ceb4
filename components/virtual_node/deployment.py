"""The pod of a virtual kubelet, with interLink's API and Slurm plugin where the site has them in the cluster."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components import network
from components.base import Manifest
from components.pod import CONTAINER_SECURITY, guaranteed, pod_security, pull_secrets
from components.virtual_node.args import VirtualNodeArgs
from components.virtual_node.kubelet_config import CERTIFICATE_FOLDER, CONFIG_FILE, CONFIG_FOLDER
from components.virtual_node.slurm_side import INTERLINK_FILE, PLUGIN_ENVIRONMENT, RUN_FOLDER, SLURM_FILE
from components.virtual_node.token_pod import TOKEN_MOUNT, token_container, token_volumes
from stacks.schema.remote_apis import HttpsApi, OAuth2Api, RemoteApi
from stacks.schema.virtual_nodes import SocketApi

KUBELET_PORT = 10250
"""Port of the virtual kubelet for logs, which asks for no authentication."""
_USER_ID = 10104
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path
_TOKEN_SECONDS = 3600


def deployment_spec(
    args: VirtualNodeArgs, config_map_name: pulumi.Input[str], *, client_secret: pulumi.Input[str] | None = None
) -> Manifest:
    """Return the spec. While the pod is away, jobs run on and their states are not seen.

    Args:
        args: the virtual node.
        config_map_name: name of the ConfigMap with its files.
        client_secret: name of the Secret with the OAuth2 client's secret, where interLink's API takes tokens.
    """
    return {
        "replicas": 1,
        # Two would both make the jobs of a pod.
        "strategy": {"type": "Recreate"},
        "revisionHistoryLimit": 0,  # as for Envoy: an old revision has no ConfigMap any more
        "selector": {"matchLabels": args.selector},
        "template": {"metadata": {"labels": args.labels}, "spec": _pod_spec(args, config_map_name, client_secret)},
    }


def network_policy_spec(args: VirtualNodeArgs) -> Manifest:
    """Return the spec of the NetworkPolicy.

    Ingress: the API servers, if the site names them. Egress: the API servers, DNS, and interLink's API or Slurm.
    """
    servers = args.node.api_server_cidrs
    ingress = [network.Edge(peers=network.addresses(servers), ports=[KUBELET_PORT])] if servers else []
    match args.node.api:
        case HttpsApi(url=url):
            jobs = [network.edge_to_url(url)]
        case OAuth2Api(url=url, token_url=token_url):
            jobs = [network.edge_to_url(url), network.edge_to_url(token_url)]
        case SocketApi(controller_port=port):
            jobs = [network.Edge(peers=[], ports=[port])]
    return network.policy_spec(
        args.selector,
        ingress=ingress,
        egress=[
            # The API servers run on nodes or outside the cluster: no selector names them.
            network.Edge(peers=[], ports=[args.api_server_port]),
            *jobs,
            network.dns(args.naming.dns_cidrs),
        ],
    )


def _pod_spec(
    args: VirtualNodeArgs, config_map_name: pulumi.Input[str], client_secret: pulumi.Input[str] | None
) -> Manifest:
    api, init, token = args.node.api, [], []
    if isinstance(api, OAuth2Api) and args.token is not None:
        init, token = ([token_container(api, args.token.image, once=once)] for once in (True, False))
    return {
        "serviceAccountName": args.node.account,
        # The virtual kubelet alone mounts a token.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull_secrets(args.naming.pull_secret),
        "securityContext": pod_security(_USER_ID),
        **({"initContainers": init} if init else {}),
        "containers": [_kubelet(args), *token, *(_api_and_plugin(args, api) if isinstance(api, SocketApi) else [])],
        "volumes": [
            {"name": "config", "configMap": {"name": config_map_name, "defaultMode": 0o555}},
            {"name": "token", "projected": {"sources": _token_sources()}},
            *([{"name": "certificate", "secret": _certificate(api)}] if isinstance(api, RemoteApi) else []),
            *(token_volumes(client_secret) if client_secret is not None else []),
            *(_plugin_volumes(api) if isinstance(api, SocketApi) else []),
        ],
    }


def _certificate(api: RemoteApi) -> dict[str, Any]:
    if isinstance(api, HttpsApi):
        return {"secretName": api.certificate_secret, "defaultMode": 0o444}
    authorities = [{"key": "ca.crt", "path": "ca.crt"}]
    return {"secretName": api.authorities_secret, "defaultMode": 0o444, "items": authorities}


def _plugin_volumes(api: SocketApi) -> list[dict[str, Any]]:
    writable = {"run": "64Mi", "temporary": "64Mi", "log": "256Mi"}
    claims = dict.fromkeys(mount.claim for mount in api.mounts)
    return [
        *({"name": name, "emptyDir": {"sizeLimit": size}} for name, size in writable.items()),
        *({"name": f"claim-{claim}", "persistentVolumeClaim": {"claimName": claim}} for claim in claims),
    ]


def _token_sources() -> list[dict[str, Any]]:
    """Return what the API server's admission would mount into every container, for one of them."""
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]


def _kubelet(args: VirtualNodeArgs) -> dict[str, Any]:
    outside = isinstance(args.node.api, RemoteApi)
    # Go's own variable: the virtual kubelet reads no authority of the API from its configuration in PEM.
    authorities = {"SSL_CERT_FILE": f"{CERTIFICATE_FOLDER}/ca.crt"} if outside else {}
    variables = {
        "NODENAME": args.node.name,
        "CONFIGPATH": f"{CONFIG_FOLDER}/{CONFIG_FILE}",
        "KUBELET_PORT": str(KUBELET_PORT),
        **authorities,
    }
    certificate = [{"name": "certificate", "mountPath": CERTIFICATE_FOLDER, "readOnly": True}] if outside else []
    return {
        "name": "virtual-kubelet",
        "image": args.images.kubelet,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            *_environment(variables),
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        **_probes(KUBELET_PORT),
        "resources": _resources(cpu="200m", memory="1Gi"),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "token", "mountPath": _TOKEN_FOLDER, "readOnly": True},
            *certificate,
            *([TOKEN_MOUNT] if isinstance(args.node.api, OAuth2Api) else []),
        ],
    }


def _api_and_plugin(args: VirtualNodeArgs, api: SocketApi) -> list[dict[str, Any]]:
    """Return the containers of one user: the API writes to the plugin's socket."""
    shared = [
        {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
        {"name": "run", "mountPath": "/run"},
    ]
    # After a kill the socket is still there, and the plugin would not start.
    start = f'mkdir -p {RUN_FOLDER}; rm -f {RUN_FOLDER}/plugin.sock; exec "$@"'
    return [
        {
            "name": "interlink",
            "image": args.images.api,
            "imagePullPolicy": "IfNotPresent",
            "env": _environment({"INTERLINKCONFIGPATH": f"{CONFIG_FOLDER}/{INTERLINK_FILE}"}),
            "resources": _resources(cpu="200m", memory="512Mi"),
            "securityContext": {**CONTAINER_SECURITY, **_user(api.user_id)},
            "volumeMounts": shared,
        },
        {
            "name": "slurm-plugin",
            "image": args.plugin_image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", start, "sh", *api.plugin_command],
            "env": _environment({"SLURMCONFIGPATH": f"{CONFIG_FOLDER}/{SLURM_FILE}", **PLUGIN_ENVIRONMENT}),
            "resources": _resources(cpu="1", memory="2Gi"),
            "securityContext": {**_plugin_security(api), **_user(api.user_id)},
            "volumeMounts": [
                *shared,
                {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108  in the container
                {"name": "log", "mountPath": "/var/log"},
                *(
                    {"name": f"claim-{mount.claim}", "mountPath": mount.path, "readOnly": mount.read_only}
                    for mount in api.mounts
                ),
            ],
        },
    ]


def _user(user_id: int) -> dict[str, Any]:
    return {"runAsUser": user_id, "runAsGroup": user_id, "runAsNonRoot": user_id != 0}


def _plugin_security(api: SocketApi) -> Mapping[str, Any]:
    """Return the `securityContext` of the plugin. For root it gives the folder of a job to the job's user."""
    if api.user_id:
        return CONTAINER_SECURITY
    return {**CONTAINER_SECURITY, "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}}


def _environment(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _probes(port: int) -> dict[str, Any]:
    """Return the probes. The virtual kubelet has no path for them; it listens as soon as it starts."""

    def probe(**numbers: int) -> dict[str, Any]:
        return {"tcpSocket": {"port": port}, "timeoutSeconds": 3, **numbers}

    return {
        "startupProbe": probe(periodSeconds=2, failureThreshold=30),
        "readinessProbe": probe(periodSeconds=10, failureThreshold=3),
        "livenessProbe": probe(periodSeconds=30, failureThreshold=4),
    }


def _resources(*, cpu: str, memory: str) -> dict[str, Any]:
    return guaranteed({"cpu": cpu, "memory": memory, "ephemeral-storage": "512Mi"})
