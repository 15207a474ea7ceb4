"""Removes the packet filter rules that a Kubernetes node leaves behind.

kube-proxy and the kubelet own the chains that begin with KUBE-, the CNI plugins those with CNI-. Jumps lead to them
from the built-in chains. Every other rule of the machine stays as it is.
"""

import re
import shutil
import subprocess

FAMILIES = ("iptables", "ip6tables")

# The format of iptables-save: `*table`, `:chain policy`, `-A chain … -j target`, `COMMIT`.
_TABLE = re.compile(r"^\*(\w+)\n(.*?)^COMMIT$", re.MULTILINE | re.DOTALL)
_OWN_CHAIN = re.compile(r"^:((?:KUBE|CNI)-\S+)", re.MULTILINE)
# A jump to a chain has no options, so the target ends the line; `-j` earlier in it is text of a comment.
_JUMP_FROM_FOREIGN_CHAIN = re.compile(r"^-A ((?!KUBE-|CNI-).* -[jg] (?:KUBE|CNI)-\S+)$", re.MULTILINE)


def own_chains() -> list[str]:
    """Return our chains that are in the packet filter now, as `iptables nat KUBE-SERVICES`."""
    return [
        f"{family} {table} {chain}"
        for family in FAMILIES
        for table, content in _TABLE.findall(_save(family))
        for chain in _OWN_CHAIN.findall(content)
    ]


def remove_own_chains() -> None:
    """Delete our chains and every jump into them; each table changes in one transaction."""
    for family in FAMILIES:
        if script := removal_script(_save(family)):
            subprocess.run([f"{family}-restore", "--noflush"], input=script, text=True, check=True)


def removal_script(saved: str) -> str:
    """From the output of `iptables-save`, return the input of `iptables-restore --noflush` that removes our chains.

    Returns:
        An empty string if there is nothing to remove.
    """
    script: list[str] = []
    for table, content in _TABLE.findall(saved):
        if chains := _OWN_CHAIN.findall(content):
            script.append(f"*{table}")
            script += [f"-D {jump}" for jump in _JUMP_FROM_FOREIGN_CHAIN.findall(content)]
            script += [f"-F {chain}" for chain in chains]  # a chain can be deleted only when no rule points at it
            script += [f"-X {chain}" for chain in chains]
            script.append("COMMIT")
    return "".join(f"{line}\n" for line in script)


def _save(family: str) -> str:
    # Before the toolchain is there, or where the kernel has no IPv6, there is no such packet filter.
    if shutil.which(f"{family}-save") is None:
        return ""
    return subprocess.run([f"{family}-save"], capture_output=True, text=True, check=False).stdout
