"""Address and credentials of a cluster, from a kubeconfig.

A small reader of its own: the `kubernetes` package takes a second to import, and this program starts at every preview.
It knows client certificates, tokens (in place or in a file) and exec credential plugins; basic authentication and
auth-provider entries, which Kubernetes no longer has, are refused.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster.provider.errors import ProviderError

_DEFAULT_FILE = "~/.kube/config"
_EXEC_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach one cluster as one user."""

    server: str
    namespace: str
    ssl_context: ssl.SSLContext
    tls_server_name: str | None
    token: str | None


def load(kubeconfig: str | None) -> tuple[dict[str, Any], Path]:
    """The kubeconfig, and the directory that its relative paths start from.

    Args:
        kubeconfig: YAML or JSON text, or a path; empty for the files that `$KUBECONFIG` names, else ~/.kube/config.

    Raises:
        ProviderError: The file is missing or is not a kubeconfig.
    """
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return _parse(kubeconfig, "the provider's kubeconfig"), Path.cwd()
    named = kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT_FILE
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    present = [path for path in paths if path.is_file()]
    if not present:
        msg = f"no kubeconfig at {named}: set KUBECONFIG, or the provider's kubeconfig, to a file that exists"
        raise ProviderError(msg)
    return _merged([_parse(path.read_text(), str(path)) for path in present]), present[0].parent


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        msg = f"{source} is not YAML: {error}"
        raise ProviderError(msg) from None
    if not isinstance(config, dict):
        msg = f"{source} is not a kubeconfig: it holds {type(config).__name__}, not a mapping"
        raise ProviderError(msg)
    return config


def _merged(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """As kubectl merges files: the first to define a name or a value wins."""
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            if isinstance(value, list):
                merged[key] = [*merged.get(key, []), *value]
            elif not merged.get(key):
                merged[key] = value
    return merged


def _named(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(section.removesuffix("s")) or {}
            return found
    msg = f"the kubeconfig has no entry {name!r} under {section}"
    raise ProviderError(msg)


def active_context(config: dict[str, Any], context: str | None) -> dict[str, Any]:
    """The context of that name, or the current one; empty when the kubeconfig has no current context."""
    name = context or config.get("current-context")
    return _named(config, "contexts", name) if name else {}


def active_cluster(config: dict[str, Any], context: str | None, cluster: str | None) -> dict[str, Any]:
    """The cluster entry (address, CA) in force; `cluster` overrides the context's."""
    name = cluster or active_context(config, context).get("cluster")
    if not name:
        msg = "the kubeconfig has no current context: name one in it, or set the provider's context"
        raise ProviderError(msg)
    return _named(config, "clusters", name)


def access(kubeconfig: str | None, context: str | None = None, cluster: str | None = None) -> Access:
    """Read a kubeconfig and choose its context and cluster.

    Raises:
        ProviderError: It is missing, malformed, or lacks an entry that it names.
    """
    config, directory = load(kubeconfig)
    chosen = active_context(config, context)
    entry = active_cluster(config, context, cluster)
    user = _named(config, "users", chosen["user"]) if chosen.get("user") else {}
    if "username" in user or "auth-provider" in user:
        msg = f"user {chosen['user']!r} of the kubeconfig has no certificate, token or exec entry: use one of these"
        raise ProviderError(msg)
    try:
        if "exec" in user:
            user = {**user, **_exec_credential(user["exec"], directory)}
        return Access(
            server=str(entry["server"]).rstrip("/"),
            namespace=chosen.get("namespace") or "default",
            ssl_context=_ssl_context(entry, user, directory),
            tls_server_name=entry.get("tls-server-name"),
            token=user.get("token") or _token_in_file(user.get("tokenFile"), directory),
        )
    except (OSError, ValueError, KeyError) as error:
        msg = f"the kubeconfig's entry for cluster {entry.get('server')!r} cannot be used: {error!r}"
        raise ProviderError(msg) from None


def _token_in_file(path: str | None, directory: Path) -> str | None:
    return (directory / path).read_text().strip() if path else None


def _ssl_context(cluster: dict[str, Any], user: dict[str, Any], directory: Path) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority", directory)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _data(user, "client-certificate", directory), _data(user, "client-key", directory)
    if certificate and key:
        # The ssl module reads key pairs from files only; NamedTemporaryFile makes them readable by this user alone.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _data(entry: dict[str, Any], key: str, directory: Path) -> bytes | None:
    """`<key>-data`, or the content of the file that `<key>` names."""
    if encoded := entry.get(f"{key}-data"):
        return base64.b64decode(encoded)
    if path := entry.get(key):
        return (directory / str(path)).read_bytes()
    return None


def _exec_credential(plugin: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Run a client-go credential plugin; its answer in the terms of a kubeconfig user."""
    request = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {entry["name"]: entry["value"] for entry in plugin.get("env") or ()}
    command = [plugin["command"], *(plugin.get("args") or ())]
    try:
        answer = subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd=directory,
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            timeout=_EXEC_TIMEOUT_SECONDS,
        )
        status = json.loads(answer.stdout)["status"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        msg = f"the kubeconfig's credential command {command[0]!r} gave no credential: {error}"
        raise ProviderError(msg) from None
    credential = {"token": status.get("token")}
    for key, name in (("clientCertificateData", "client-certificate"), ("clientKeyData", "client-key")):
        if name_data := status.get(key):
            credential[f"{name}-data"] = base64.b64encode(name_data.encode()).decode()
    return credential
