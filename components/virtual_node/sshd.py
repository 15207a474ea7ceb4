"""The sshd of a tunnel pod: it takes the ports of one server from a job, and gives nothing."""

from components.triton.server import GRPC_PORT, HTTP_PORT, METRICS_PORT
from components.tunnel import AUTHORIZED_KEYS_FILE, HOST_KEY_FILE, SSH_PORT, SSH_USER

FOLDER = "/etc/sonic-tunnel"
"""Folder of the files of the Secret in the tunnel pod."""
CONFIG_FILE = "sshd_config"
PASSWD_FILE = "passwd"  # noqa: S105  a file name
"""Keys of the Secret with the files below."""
USER_ID = 10103
"""User of the tunnel pods. A sshd that is not root's takes sessions of its own user only."""


def sshd_config() -> str:
    """Return the configuration of sshd.

    A lost session is noticed after 15 s; its ports are taken until then.
    """
    return f"""\
Port {SSH_PORT}
HostKey {FOLDER}/{HOST_KEY_FILE}
AuthorizedKeysFile {FOLDER}/{AUTHORIZED_KEYS_FILE}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {SSH_USER}
UsePAM no
# The files are root's, in a folder that the kubelet makes writable for all.
StrictModes no
PidFile none
AllowTcpForwarding remote
PermitListen {HTTP_PORT} {GRPC_PORT} {METRICS_PORT}
GatewayPorts clientspecified
PermitOpen none
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PermitTTY no
PermitUserRC no
MaxSessions 0
ForceCommand /bin/false
ClientAliveInterval 5
ClientAliveCountMax 3
LoginGraceTime 30
"""


def passwd() -> str:
    """Return the users of the tunnel pod."""
    return f"root:x:0:0:root:/root:/bin/false\n{SSH_USER}:x:{USER_ID}:{USER_ID}:tunnels:/tmp:/bin/false\n"


def host_key_file(key: str) -> str:
    """Return the file of a private host key. `pulumi config set` takes its last newline off, and without one OpenSSH
    reads no key."""
    return f"{key.rstrip()}\n"


def secret_files() -> dict[str, str]:
    """Return the files of the Secret besides the keys, by name."""
    return {CONFIG_FILE: sshd_config(), PASSWD_FILE: passwd()}
