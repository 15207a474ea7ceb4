"""The client of a job's tunnels, as bash: the part of a job's script that depends on the transport.

`tunnel PORT…` forwards ports of the tunnel pod to the same ports at the server's address, in the foreground.
"""

from components.tunnel import SSH_PORT, SSH_USER
from stacks.schema.virtual_nodes import SshTunnel, WstunnelTunnel

_CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr"
"""OpenSSH's own first choice, ChaCha20, takes more CPU time where processors have instructions for AES."""


def tunnel_client(tunnel: SshTunnel | WstunnelTunnel, *, namespace: str, cluster_domain: str) -> str:
    """Return the definition of the function `tunnel`, and what it needs.

    Args:
        tunnel: transport of the virtual node.
        namespace: namespace of the stack, and of the tunnel pods.
        cluster_domain: DNS domain of the cluster.
    """
    match tunnel:
        case SshTunnel():
            return _ssh(tunnel, namespace=namespace, cluster_domain=cluster_domain)
        case WstunnelTunnel():
            return _wstunnel(tunnel)


def _ssh(tunnel: SshTunnel, *, namespace: str, cluster_domain: str) -> str:
    known_hosts = [f"sonic-tunnel {tunnel.host_public_key}"]
    bastion, jump = "", ""
    if tunnel.host is not None:
        known_hosts.append(f"sonic-bastion {tunnel.bastion_public_key}")
        bastion = f"""\
Host sonic-bastion
  HostName {tunnel.host}
  HostKeyAlias sonic-bastion
  Port {tunnel.port}
  User {tunnel.user}
"""
        jump = "\n  ProxyJump sonic-bastion"
    lines = "\n".join(known_hosts)
    return f"""\
cat >"$work/known_hosts" <<'END'
{lines}
END
cat >"$work/ssh_config" <<END
{bastion}Host sonic-tunnel
  HostName $SONIC_TUNNEL_HOST.{namespace}.svc.{cluster_domain}
  HostKeyAlias sonic-tunnel
  Port {SSH_PORT}
  User {SSH_USER}{jump}
Host *
  IdentityFile {tunnel.private_key_file}
  IdentitiesOnly yes
  UserKnownHostsFile $work/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ExitOnForwardFailure yes
  Ciphers {_CIPHERS}
END
tunnel() {{
  local forwards=() port
  for port in "$@"; do forwards+=(-R "*:$port:$SONIC_ADDRESS:$port"); done
  exec ssh -N -F "$work/ssh_config" "${{forwards[@]}}" sonic-tunnel
}}
"""


def _wstunnel(tunnel: WstunnelTunnel) -> str:
    return f"""\
if ! echo "{tunnel.client_sha256}  {tunnel.client_file}" | sha256sum --check --status; then
  echo "sonic: {tunnel.client_file} is missing or is not the program that site.virtual_nodes[].tunnel names" >&2
  exit 1
fi
tunnel() {{
  local forwards=() port
  for port in "$@"; do forwards+=(-R "tcp://0.0.0.0:$port:$SONIC_ADDRESS:$port"); done
  # By the environment: on a shared host everybody can read a command line.
  export WSTUNNEL_HTTP_UPGRADE_PATH_PREFIX=$SONIC_TUNNEL_SECRET
  exec {tunnel.client_file} client --log-lvl WARN --tls-verify-certificate "${{forwards[@]}}" \\
    "wss://$SONIC_TUNNEL_HOST:{tunnel.port}"
}}
"""
