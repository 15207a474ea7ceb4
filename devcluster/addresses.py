"""Names, addresses and ports of the development cluster: one node, which needs nothing outside the machine.

The node lives on a link of our own, so the cluster does not depend on the machine's networks, and a change of
those (a laptop moving from office to home) does not touch it.
"""

CLUSTER_NAME = "sonic-dev"
"""Name of the cluster, its context in the kubeconfig, the node, the CNI network and the root cgroup."""

NODE_NAME = CLUSTER_NAME
NODE_LINK = "sonic0"
NODE_ADDRESS = "10.123.0.1"
NODE_NETWORK = "10.123.0.0/24"

POD_BRIDGE = "sonic-cni0"
POD_NETWORK = "10.244.0.0/24"

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

LOOPBACK = "127.0.0.1"

API_PORT = 16443
API_URL = f"https://{LOOPBACK}:{API_PORT}"
ETCD_CLIENT_PORT = 12379
ETCD_PEER_PORT = 12380
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
KUBE_PROXY_HEALTH_PORT = 10256
KUBE_PROXY_METRICS_PORT = 10249
S3_PORT = 19000

SLURM_NODES = ("sonic-c1", "sonic-c2")
"""Compute nodes of the Slurm cluster: two slurmd on this machine."""
SLURMCTLD_PORT = 36817
SLURMD_PORTS = (36818, 36819)
EDGE_PORT = 13030
BASTION_PORT = 30022
"""NodePort of the bastion through which jobs reach Services."""

API_HEALTH_URL = f"{API_URL}/readyz"
KUBELET_HEALTH_URL = f"http://{LOOPBACK}:{KUBELET_HEALTH_PORT}/healthz"

HOST_PORTS: dict[int, str] = {
    API_PORT: "kube-apiserver",
    ETCD_CLIENT_PORT: "etcd",
    ETCD_PEER_PORT: "etcd",
    CONTROLLER_MANAGER_PORT: "kube-controller-manager",
    SCHEDULER_PORT: "kube-scheduler",
    KUBELET_PORT: "kubelet",
    KUBELET_HEALTH_PORT: "kubelet",
    KUBE_PROXY_HEALTH_PORT: "kube-proxy",
    KUBE_PROXY_METRICS_PORT: "kube-proxy",
    S3_PORT: "s3",
    SLURMCTLD_PORT: "slurmctld",
    **dict.fromkeys(SLURMD_PORTS, "slurmd"),
    EDGE_PORT: "interlink-edge",
}
"""Process by port, for every port that the cluster listens on."""
