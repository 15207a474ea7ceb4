"""Kubeconfigs for tests that call no cluster."""

import json
from pathlib import Path


def write_kubeconfig(path: Path, *contexts: str) -> None:
    """Write a file with contexts, all of one cluster and one user."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
        "clusters": [{"name": "c", "cluster": {"server": f"https://{path.name}.example.org"}}],
        "users": [{"name": "u", "user": {"token": path.name}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))
