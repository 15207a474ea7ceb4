"""Configuration of the node's processes: containerd, kubelet, kube-proxy and the CNI network."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import yaml

from devcluster.addresses import (
    CLUSTER_DOMAIN,
    CLUSTER_NAME,
    DNS_SERVICE_ADDRESS,
    KUBE_PROXY_HEALTH_PORT,
    KUBE_PROXY_METRICS_PORT,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    LOOPBACK,
    NODE_ADDRESS,
    NODE_NAME,
    NODE_NETWORK,
    POD_NETWORK,
)
from devcluster.credentials import CLUSTER_AUTHORITY, KUBE_PROXY, KUBELET
from devcluster.files import write
from devcluster.images.catalog import PAUSE
from devcluster.network import cni_configuration
from devcluster.paths import RUN, STATE

CONTAINERD_SOCKET = RUN / "containerd.sock"
CONTAINERD_STATE = RUN / "containerd"
CONTAINERD_CONFIG = STATE / "containerd.toml"
KUBELET_CONFIG = STATE / "kubelet.yaml"
KUBELET_ROOT = STATE / "kubelet"
KUBE_PROXY_CONFIG = STATE / "kube-proxy.yaml"
RESOLV_CONF = STATE / "resolv.conf"
SERVICES_RESOLV_CONF = STATE / "services-resolv.conf"
"""For processes of the machine that resolve the cluster's Services."""
CNI_CONFIGURATIONS = STATE / "cni"
CNI_PLUGINS = Path("/usr/lib/cni")
POD_LOGS = STATE / "logs" / "pods"

CAP_SYS_RESOURCE = 24


def write_node_configuration() -> None:
    """Write the configuration files of the node's processes, as this machine needs them."""
    can_lower = has_capability(Path("/proc/self/status").read_text(), CAP_SYS_RESOURCE)
    write(CONTAINERD_CONFIG, containerd_configuration(can_lower_oom_score=can_lower))
    write(KUBELET_CONFIG, yaml.safe_dump(kubelet_configuration()))
    write(KUBE_PROXY_CONFIG, yaml.safe_dump(kube_proxy_configuration()))
    write(RESOLV_CONF, pod_resolv_conf(Path("/etc/resolv.conf").read_text()))
    write(SERVICES_RESOLV_CONF, f"nameserver {DNS_SERVICE_ADDRESS}\n", mode=0o644)
    write(CNI_CONFIGURATIONS / "10-bridge.conflist", json.dumps(cni_configuration(), indent=2))


def has_capability(status: str, capability: int) -> bool:
    """Return whether the text of a `/proc/PID/status` lists a capability, by its number, as effective."""
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> capability & 1)


def containerd_configuration(*, can_lower_oom_score: bool) -> str:
    """Return the configuration of a containerd of our own, apart from the machine's; TOML, config version 2.

    Args:
        can_lower_oom_score: we hold CAP_SYS_RESOURCE. Without it runc cannot give a container a lower oom_score_adj
            than its own, and dies with "can't get final child's PID from pipe: EOF".
    """
    return f"""\
version = 2
root = "{STATE}/containerd"
state = "{CONTAINERD_STATE}"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE.reference}"
  restrict_oom_score_adj = {str(not can_lower_oom_score).lower()}
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PLUGINS}"
  conf_dir = "{CNI_CONFIGURATIONS}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "{RUN}/runc"
  SystemdCgroup = false
"""


def kubelet_configuration() -> dict[str, Any]:
    """Return the kubelet's configuration; the node shares its disk with everything else on the machine."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": KUBELET_PORT,
        "healthzBindAddress": LOOPBACK,
        "healthzPort": KUBELET_HEALTH_PORT,
        "tlsCertFile": str(KUBELET.certificate),
        "tlsPrivateKeyFile": str(KUBELET.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(CLUSTER_AUTHORITY.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CLUSTER_NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "protectKernelDefaults": True,
        "oomScoreAdj": 0,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "resolvConf": str(RESOLV_CONF),
        "podLogsDir": str(POD_LOGS),
        "containerLogMaxSize": "10Mi",
        "containerLogMaxFiles": 2,
        "volumePluginDir": str(KUBELET_ROOT / "volume-plugins"),
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,  # never: no registry holds our images to pull them again
        "serializeImagePulls": False,
    }


def kube_proxy_configuration() -> dict[str, Any]:
    """Return kube-proxy's configuration: NodePorts on loopback and the node's link only, conntrack untouched."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(KUBE_PROXY.kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        "nodePortAddresses": ["127.0.0.0/8", NODE_NETWORK],
        "healthzBindAddress": f"{LOOPBACK}:{KUBE_PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"{LOOPBACK}:{KUBE_PROXY_METRICS_PORT}",
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def pod_resolv_conf(machine: str) -> str:
    """Return the name servers of the machine's `resolv.conf` that a pod can reach; no loopback, no search domains.

    A pod would try the machine's search domains before each name without a final dot, perhaps at a server out of reach.
    """
    servers = [line.split()[1] for line in machine.splitlines() if line.startswith("nameserver ")]
    reachable = [server for server in servers if not ipaddress.ip_address(server.partition("%")[0]).is_loopback]
    return "".join(f"nameserver {server}\n" for server in reachable)
