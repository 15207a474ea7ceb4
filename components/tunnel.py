"""Names that a pool of Slurm jobs, its tunnel pods and the jobs have in common.

interLink's virtual kubelet makes one Deployment for each job, from the virtual node's template. Its pod is the tunnel
pod: it has the labels and annotations of the virtual pod, and the job forwards its server's ports to it.
"""

import math

DRAIN_ANNOTATION = "sonic.fastmachinelearning.org/drain-seconds"
"""Annotation of a pod with the longest drain of its server: a tunnel pod stays as long, since interLink deletes it
before the job."""
SECRET_ANNOTATION = "sonic.fastmachinelearning.org/tunnel-secret"  # noqa: S105  # a name
"""Annotation of a pod with the name of the Secret that the sshd of its tunnel pod reads."""
HOST_KEY_FILE = "ssh_host_ed25519_key"
"""Key of that Secret with the private host key of the tunnel pods."""
AUTHORIZED_KEYS_FILE = "authorized_keys"
"""Key of that Secret with the public key of the jobs."""
SSH_PORT = 2222
"""Port of the tunnel pods' sshd, in the pods and in their Services."""
SSH_USER = "sonic"
"""User of the tunnel pods' sshd."""
WSTUNNEL_PORT = 8080
"""Port of the tunnel pods' wstunnel."""
VIRTUAL_NODE_TAINT = "virtual-node.interlink/no-schedule"
"""Taint of every virtual node, by which other pods keep away."""


def pod_resources(cpu_cores: float) -> dict[str, str]:
    """Return the requests and limits of a tunnel pod.

    Args:
        cpu_cores: its CPU in cores.
    """
    return {"cpu": f"{math.ceil(cpu_cores * 1000)}m", "memory": "256Mi", "ephemeral-storage": "64Mi"}
