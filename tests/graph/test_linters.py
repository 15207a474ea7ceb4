"""kube-score's rules and Pod Security admission's own evaluator over the manifests of every stack."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from rendering.manifests import manifests
from stacks.resolve import resolve
from stacks.schema import StackConfig
from stacks.schema.site import PodSecurityLevel
from tests.support.config_cases import STACK, happy_cases, lay_out_happy
from tests.support.linters import Finding, Manifest, kube_score, pod_security
from tests.support.stacks import STACKS, config_of
from tests.support.tunnels import tunnels


class Waiver(NamedTuple):
    """A rule of kube-score that we break on purpose in these components; `*` stands for a part of its id."""

    rule: str
    kind: str
    components: frozenset[str]
    why: str


WAIVERS = (
    Waiver(
        "container-image-pull-policy",
        "Deployment",
        frozenset({"triton", "slurm-job", "envoy", "prometheus", "virtual-node", "grafana", "metrics-login"}),
        "`Always` makes each restart of a container depend on the registry. Every image has a fixed tag or a digest.",
    ),
    Waiver(
        "container-security-context-user-group-id",
        "Deployment",
        frozenset({"triton", "slurm-job", "grafana"}),
        "User 1000 is `triton-server` of NVIDIA's images, which owns the backends there, and 472 that of Grafana's. "
        "The user of a virtual pod would become `sbatch --uid`.",
    ),
    Waiver(
        "container-*requests-equal-limits",
        "Deployment",
        frozenset({"slurm-job"}),
        "Limits become the job's request; a request would be subtracted from what the virtual node reports as free.",
    ),
    Waiver(
        "container-ephemeral-storage-request-and-limit",
        "Deployment",
        frozenset({"slurm-job"}),
        "A virtual node offers none.",
    ),
    Waiver(
        "deployment-has-poddisruptionbudget",
        "Deployment",
        frozenset({"slurm-job"}),
        "The budget is that of the tunnel pods, which are on nodes that are drained.",
    ),
    Waiver(
        "deployment-has-host-podantiaffinity",
        "Deployment",
        frozenset({"triton", "slurm-job", "envoy"}),
        "topologySpreadConstraints spread the pods over nodes and zones instead, and Slurm the jobs.",
    ),
    Waiver(
        "deployment-replicas",
        "Deployment",
        frozenset({"triton", "prometheus", "grafana", "metrics-login"}),
        "A site may have one GPU. Where KEDA owns `replicas`, the Deployment omits it, which kube-score takes for 1. "
        "While the one Prometheus is away, KEDA keeps the number of servers, and requests are answered. People wait "
        "for the one Grafana or login.",
    ),
    Waiver(
        "pod-probes-identical",
        "Deployment",
        frozenset({"virtual-node"}),
        "interLink's virtual kubelet has an open port and no path for probes.",
    ),
    Waiver(
        "deployment-strategy",
        "Deployment",
        frozenset({"prometheus", "grafana"}),
        "Of two at once, one would have no samples, and the queries take either: hence `Recreate`. Two Grafanas would "
        "have sessions of their own.",
    ),
    Waiver(
        "service-type",
        "Service",
        frozenset({"envoy"}),
        "A cluster without a load balancer, such as dev and kind, has no other way in.",
    ),
)


PAGES = "metrics-login"
"""Happy case with a Grafana of the stack's own and the way in to its Prometheus, which no stack here has: both need
secrets that only their operators can set."""
LINTED = (*STACKS, PAGES)


@cache
def broken_rules(stack: str) -> Sequence[Finding]:
    rendered = manifests(config_of_pages() if stack == PAGES else config_of(stack))
    of_interlink = tunnels(rendered)
    names = [each["metadata"]["name"] for each in of_interlink]
    found = kube_score([*rendered, *of_interlink])
    return [each for each in found if not each.text.startswith(tuple(f"{name}:" for name in names))]


def config_of_pages() -> StackConfig:
    with TemporaryDirectory() as folder:
        lay_out_happy(PAGES, Path(folder))
        return resolve(STACK, Path(folder)).config


def waives(waiver: Waiver, finding: Finding) -> bool:
    fits = fnmatchcase(finding.rule, waiver.rule) and waiver.kind == finding.kind
    return fits and finding.component in waiver.components


def refused(config: StackConfig) -> dict[str, list[str]]:
    """Name of each Deployment whose pods `restricted` forbids -> the reasons.

    A site with a lower level may mount paths of its nodes, and nothing else.
    """
    deployments = [each for each in manifests(config) if each["kind"] == "Deployment"]
    templates = [deployment["spec"]["template"] for deployment in deployments]
    if config.site.security.pod_security is not PodSecurityLevel.RESTRICTED:
        templates = [without_host_paths(template) for template in templates]
    judged = pod_security(PodSecurityLevel.RESTRICTED.value, templates)
    return {each["metadata"]["name"]: reasons for each, reasons in zip(deployments, judged, strict=True) if reasons}


def without_host_paths(template: Manifest) -> Manifest:
    volumes = [volume for volume in template["spec"].get("volumes", ()) if "hostPath" not in volume]
    return {**template, "spec": {**template["spec"], "volumes": volumes}}


@pytest.mark.parametrize("stack", LINTED)
def test_a_stack_breaks_no_rule_of_kube_score_without_a_waiver(stack: str) -> None:
    assert [each for each in broken_rules(stack) if not any(waives(waiver, each) for waiver in WAIVERS)] == []


@pytest.mark.parametrize(
    ("waiver", "component"),
    [pytest.param(each, name, id=f"{each.rule}-{name}") for each in WAIVERS for name in sorted(each.components)],
)
def test_each_waiver_is_still_needed(waiver: Waiver, component: str) -> None:
    needed = {finding.component for stack in LINTED for finding in broken_rules(stack) if waives(waiver, finding)}
    assert component in needed


def test_there_are_at_most_ten_waivers() -> None:
    assert len(WAIVERS) <= 10


@pytest.mark.parametrize("stack", STACKS)
def test_pod_security_admits_the_pods_of_a_stack(stack: str) -> None:
    assert refused(config_of(stack)) == {}


@pytest.mark.parametrize("case", happy_cases())
def test_no_key_makes_pods_that_pod_security_refuses(case: str, tmp_path: Path) -> None:
    lay_out_happy(case, tmp_path)
    assert refused(resolve(STACK, tmp_path).config) == {}
