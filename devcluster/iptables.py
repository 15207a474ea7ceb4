"""The packet filter rules that a Kubernetes node leaves behind, and their removal.

kube-proxy and the kubelet own the chains that begin with KUBE-, the CNI plugins those with CNI-. They hook into
the built-in chains by jumps. Removing them leaves every other rule of the machine as it was.
"""

import shlex
import shutil
import subprocess
from collections.abc import Iterator

OWN_CHAIN_PREFIXES = ("KUBE-", "CNI-")
FAMILIES = ("iptables", "ip6tables")


def own_chains() -> list[str]:
    """The chains of ours that stand in the packet filter now, as `iptables nat KUBE-SERVICES`."""
    return [
        f"{family} {table} {chain}"
        for family in FAMILIES
        for table, lines in _tables(_save(family))
        for chain in _chains(lines)
    ]


def remove_own_chains() -> None:
    """Delete our chains and every jump into them; each table changes in one transaction."""
    for family in FAMILIES:
        script = removal_script(_save(family))
        if script:
            subprocess.run([f"{family}-restore", "--noflush"], input=script, text=True, check=True)


def removal_script(saved: str) -> str:
    """From the output of `iptables-save`, the input of `iptables-restore --noflush` that removes what is ours.

    Returns:
        An empty string if there is nothing to remove.
    """
    script: list[str] = []
    for table, lines in _tables(saved):
        chains = _chains(lines)
        if not chains:
            continue
        jumps = [line for line in lines if line.startswith("-A") and _is_foreign_chain_with_own_target(line)]
        script += [f"*{table}"]
        script += [line.replace("-A", "-D", 1) for line in jumps]
        script += [f"-F {chain}" for chain in chains]  # a chain can be deleted only when no rule points at it
        script += [f"-X {chain}" for chain in chains]
        script += ["COMMIT"]
    return "\n".join(script) + "\n" if script else ""


def _is_foreign_chain_with_own_target(rule: str) -> bool:
    words = shlex.split(rule)
    targets = [words[i + 1] for i, word in enumerate(words[:-1]) if word in {"-j", "-g"}]
    return not words[1].startswith(OWN_CHAIN_PREFIXES) and any(t.startswith(OWN_CHAIN_PREFIXES) for t in targets)


def _tables(saved: str) -> Iterator[tuple[str, list[str]]]:
    table, lines = "", list[str]()
    for line in saved.splitlines():
        if line.startswith("*"):
            table, lines = line[1:], []
        elif line == "COMMIT":
            yield table, lines
        else:
            lines.append(line)


def _chains(lines: list[str]) -> list[str]:
    names = [line[1:].split()[0] for line in lines if line.startswith(":")]
    return [name for name in names if name.startswith(OWN_CHAIN_PREFIXES)]


def _save(family: str) -> str:
    # Before the toolchain is there, or where the kernel has no IPv6, there is no such packet filter.
    if shutil.which(f"{family}-save") is None:
        return ""
    return subprocess.run([f"{family}-save"], capture_output=True, text=True, check=False).stdout
