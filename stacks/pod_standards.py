"""Values that the Pod Security Standards allow in a pod (kubernetes.io, "Pod Security Standards", Kubernetes 1.36)."""

BASELINE_CAPABILITIES = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"}
    | {"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
RESTRICTED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
"""Capabilities that a container may add after it has dropped all."""

BASELINE_SYSCTLS = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ping_group_range"}
    | {f"net.ipv4.ip_{end}" for end in ("local_port_range", "local_reserved_ports", "unprivileged_port_start")}
    | {f"net.ipv4.tcp_{end}" for end in ("syncookies", "fin_timeout", "rmem", "wmem")}
    | {f"net.ipv4.tcp_keepalive_{end}" for end in ("time", "intvl", "probes")}
)
BASELINE_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})

RESTRICTED_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
"""Kinds of volumes."""
