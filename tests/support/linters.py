"""Linters of manifests: kube-score, and the evaluator of Pod Security admission."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stacks.releases import KUBERNETES_OLDEST
from tests.support.tools import tool

Manifest = Mapping[str, Any]

_GRADE_OK = 10


class Finding(NamedTuple):
    """A rule of kube-score that an object breaks."""

    rule: str
    """Its id, as `kube-score list` shows it."""
    kind: str
    component: str
    """Label `app.kubernetes.io/component` of the object, or of a Deployment's pods."""
    text: str
    """Name of the object, and what kube-score says of it."""


def kube_score(manifests: Sequence[Manifest]) -> list[Finding]:
    """Return the rules that objects break, warnings too, the optional rules included.

    Args:
        manifests: all objects of a stack: many rules compare them with each other.
    """
    arguments = ["--all-default-optional", f"--kubernetes-version=v{KUBERNETES_OLDEST}", "--output-format=json", "-"]
    documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    deployments = [each for each in manifests if each["kind"] == "Deployment"]
    pods = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in deployments}
    # It exits with 1 both for a broken rule and for manifests that it cannot read; only then it prints no JSON.
    result = subprocess.run(
        [tool("kube-score"), "score", *arguments], input=documents, capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("["), result.stderr
    return [
        _finding(judged, check, pods)
        for judged in json.loads(result.stdout)
        for check in judged["checks"]
        if not check["skipped"] and check["grade"] < _GRADE_OK
    ]


def pod_security(level: str, templates: Sequence[Manifest]) -> list[list[str]]:
    """Return for each pod template the reasons for which Pod Security admission refuses its pods; empty: none.

    Args:
        level: `restricted`, `baseline` or `privileged`.
        templates: pod templates, or pods.
    """
    command = [str(tool("pod-security")), level]
    output = subprocess.run(command, input=json.dumps(templates), capture_output=True, text=True, check=True).stdout
    violations: list[list[str]] = json.loads(output)
    return violations


def _finding(judged: Mapping[str, Any], check: Mapping[str, Any], pods: Mapping[str, Mapping[str, str]]) -> Finding:
    kind, metadata = judged["type_meta"]["kind"], judged["object_meta"]
    labels = pods[metadata["name"]] if kind == "Deployment" else metadata["labels"]
    comments = "; ".join(f"{comment['path']} {comment['summary']}".strip() for comment in check["comments"])
    return Finding(
        rule=check["check"]["id"],
        kind=kind,
        component=labels.get("app.kubernetes.io/component", ""),
        text=f"{metadata['name']}: {comments}",
    )
