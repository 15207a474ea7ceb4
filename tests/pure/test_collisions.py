"""Stacks of a repository that meet in a cluster: each is refused with a sentence that names both and the way out."""

import time
from pathlib import Path

import pytest
import yaml

from stacks.__main__ import main
from stacks.errors import ConfigurationError
from stacks.resolve import ROOT, resolve, resolve_all
from tests.support.config_cases import STACK, lay_out_happy

INGRESS = {
    "kind": "ingress",
    "client_cidrs": None,
    "controller": "nginx",
    "controller_namespace": "ingress-nginx",
    "hostname": "a.example.org",
}
GATEWAY = {
    "kind": "gateway",
    "client_cidrs": None,
    "gateway": "public",
    "gateway_namespace": "gateways",
    "controller": "other",
    "hostname": "a.example.org",
}
BALANCER = {"kind": "load-balancer", "hostname": "a.example.org"}
NODE_PORT = {"kind": "node-port", "hostname": "node.example.org", "port": 30801}
LABELS = {"node_labels": [{"node": "gpu-1", "labels": {"a": "b"}}]}
CVMFS = {"models": {"repository": {"kind": "cvmfs", "paths": ["/cvmfs/cms.cern.ch/models"]}}}
VOLUME = {"models": {"repository": {"kind": "volume", "paths": ["/models"]}}}
CLAIM = {"storage": {"volume": {"kind": "pvc", "claim": "models", "create": True, "size_gib": 1}}}


def add_stack(
    root: Path, name: str, *, instance: str | None = None, site: object = None, experiment: object = None
) -> None:
    """Write a stack of site `here` and experiment `tiny` whose overrides are `site` and `experiment`."""
    config = {
        "sonic:site": "here",
        "sonic:experiment": "tiny",
        "sonic:override": {"site": site or {}, "experiment": experiment or {}},
        **({} if instance is None else {"sonic:instance": instance}),
    }
    (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}, sort_keys=False))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of site `here` and experiment `tiny`, without a stack."""
    lay_out_happy("minimal", tmp_path)
    (tmp_path / f"Pulumi.{STACK}.yaml").unlink()
    return tmp_path


def refusals(root: Path, stack: str) -> str:
    """The sentences that a stack is refused with, one a line, without their places; empty: it is not refused."""
    try:
        resolve(stack, root)
    except ConfigurationError as error:
        return "\n".join(problem.sentence for problem in error.problems)
    return ""


def test_a_copied_site_is_told_that_its_context_is_left_in(root: Path) -> None:
    add_stack(root, "here-tiny")
    site = (root / "stacks/sites/here.yaml").read_text()
    (root / "stacks/sites/copy.yaml").write_text(site)
    stack = (root / "Pulumi.here-tiny.yaml").read_text().replace("sonic:site: here", "sonic:site: copy")
    (root / "Pulumi.copy-tiny.yaml").write_text(f"{stack}  sonic:instance: other\n")
    sentence = refusals(root, "copy-tiny")
    assert sentence.startswith('site.access.context: found "here" in the sites `copy` and `here`: one site file must')
    assert refusals(root, "here-tiny").startswith('site.access.context: found "here" in the sites `here` and `copy`')
    (root / "stacks/sites/copy.yaml").write_text(site.replace("context: here", "context: copy"))
    assert refusals(root, "copy-tiny") == refusals(root, "here-tiny") == ""


def test_a_copied_stack_is_told_the_original_and_an_instance_of_its_own(root: Path) -> None:
    add_stack(root, "here-tiny")
    add_stack(root, "here-tiny-dev")
    rule = "each stack of a namespace must have its own, for it is in every name"
    way_out = (
        "give the one that is not deployed yet another, such as `sonic:instance: tiny-dev` in Pulumi.here-tiny-dev.yaml"
    )
    for one, other in (("here-tiny", "here-tiny-dev"), ("here-tiny-dev", "here-tiny")):
        with pytest.raises(ConfigurationError) as caught:
            resolve(one, root)
        assert str(caught.value) == (
            f'Pulumi.{one}.yaml:3 and Pulumi.{other}.yaml:3: sonic:instance: found "tiny" in the stacks `{one}` and '
            f"`{other}`, for namespace `sonic` of context `here`: {rule}: {way_out}"
        )
    add_stack(root, "here-tiny-dev", instance="tiny-dev")
    assert refusals(root, "here-tiny") == refusals(root, "here-tiny-dev") == ""


@pytest.mark.parametrize(
    ("exposure", "entrance"),
    [
        (INGRESS, "the default ingress class"),
        (GATEWAY, "gateway `public` in namespace `gateways`"),
        (BALANCER, "the load balancers"),
    ],
    ids=["ingress", "gateway", "load-balancer"],
)
def test_a_host_name_leads_to_one_stack_of_the_cluster(root: Path, exposure: dict[str, object], entrance: str) -> None:
    add_stack(root, "one", site={"exposure": exposure})
    elsewhere = {"namespace": "elsewhere"}
    add_stack(root, "two", site={"exposure": exposure, "access": elsewhere})
    assert refusals(root, "one") == (
        f'site.exposure.hostname: found "a.example.org" in the stacks `one` and `two`, for {entrance} of context '
        "`here`: a host name must lead to one stack: write `{instance}` in it, or give one of them another by its "
        "override"
    )
    assert len(refusals(root, "two").splitlines()) == 1
    add_stack(root, "two", site={"exposure": {**exposure, "hostname": "b.example.org"}, "access": elsewhere})
    assert refusals(root, "one") == refusals(root, "two") == ""


def test_two_controllers_may_serve_one_host_name(root: Path) -> None:
    add_stack(root, "one", site={"exposure": INGRESS})
    add_stack(root, "two", instance="two", site={"exposure": {**INGRESS, "class_name": "internal"}})
    assert refusals(root, "one") == refusals(root, "two") == ""


def test_a_further_way_meets_the_first_of_another_stack(root: Path) -> None:
    add_stack(root, "one", site={"exposure": INGRESS})
    further = {key: value for key, value in INGRESS.items() if key != "client_cidrs"}
    add_stack(root, "two", instance="two", site={"further_exposures": [further]})
    rule = "a host name must lead to one stack"
    assert f"in the stacks `one` and `two`, for the default ingress class of context `here`: {rule}" in refusals(
        root, "one"
    )
    assert refusals(root, "two").startswith("site.further_exposures[0].hostname: found")


def test_a_page_for_people_meets_a_way_of_another_stack(root: Path) -> None:
    ingress = {"hostname": "a.example.org", "controller_namespace": "ingress-nginx", "users_secret": "prometheus-users"}
    add_stack(root, "one", site={"exposure": INGRESS})
    add_stack(root, "two", instance="two", site={"monitoring": {"kind": "own", "ingress": ingress}})
    text = (root / "Pulumi.two.yaml").read_text()
    secret = "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAA=="  # noqa: S105
    text += f"  sonic:prometheus-users: {{secure: '{secret}'}}\nencryptionsalt: 'v1:AAAAAAAAAAA=:{secret}'\n"
    (root / "Pulumi.two.yaml").write_text(text)
    assert refusals(root, "two").startswith(
        'site.monitoring.ingress.hostname: found "a.example.org" in the stacks `two` and `one`, for the default '
        "ingress class of context `here`: a host name must lead to one stack"
    )


def test_a_service_name_belongs_to_one_stack_of_the_namespace(root: Path) -> None:
    add_stack(root, "one", site={"exposure": {"service_name": "supersonic"}})
    add_stack(root, "two", instance="two", site={"exposure": {"service_name": "supersonic"}})
    assert refusals(root, "one") == (
        'site.exposure.service_name: found "supersonic" in the stacks `one` and `two`, for namespace `sonic` of '
        "context `here`: each stack of a namespace must have Services of its own: write `{instance}` in it, or give "
        "one of them another by its override"
    )
    add_stack(root, "two", instance="two", site={"exposure": {"service_name": "supersonic-{instance}"}})
    assert refusals(root, "one") == refusals(root, "two") == ""


def test_a_node_port_leads_to_one_stack_of_the_cluster(root: Path) -> None:
    add_stack(root, "one", site={"exposure": NODE_PORT})
    add_stack(root, "two", instance="two", site={"exposure": NODE_PORT})
    assert refusals(root, "two") == (
        "site.exposure.port: found 30801 in the stacks `two` and `one`, for the nodes of context `here`: "
        "a node port must lead to one stack: give one of them another port by its override"
    )
    add_stack(root, "two", instance="two", site={"exposure": {**NODE_PORT, "port": 30802}})
    assert refusals(root, "one") == refusals(root, "two") == ""


def test_a_created_namespace_has_one_owner(root: Path) -> None:
    create = {"access": {"create_namespace": True}}
    add_stack(root, "one", site=create)
    add_stack(root, "two", instance="two", site=create)
    assert refusals(root, "one") == (
        "site.access.create_namespace: found true in the stacks `one` and `two`, for namespace `sonic` of context "
        "`here`: one stack must own a namespace: set it to false by the override of all but one"
    )
    add_stack(root, "two", instance="two")
    assert refusals(root, "one") == refusals(root, "two") == ""


@pytest.mark.parametrize(
    ("storage", "experiment", "key", "way_out"),
    [
        (
            {"storage": {"cvmfs": {"kind": "cvmfs-pvc", "create": True}}},
            CVMFS,
            'cvmfs.claim: found "cvmfs"',
            "set site.storage.cvmfs.create to false by the override of all but one",
        ),
        (
            CLAIM,
            VOLUME,
            'volume.claim: found "models"',
            "set site.storage.volume.create to false, and size_gib to null, by the override of all but one",
        ),
    ],
    ids=["cvmfs", "volume"],
)
def test_a_created_claim_has_one_owner(root: Path, storage: object, experiment: object, key: str, way_out: str) -> None:
    add_stack(root, "one", site=storage, experiment=experiment)
    add_stack(root, "two", instance="two", site=storage, experiment=experiment)
    assert refusals(root, "one") == (
        f"site.storage.{key} in the stacks `one` and `two`, for namespace `sonic` of context `here`: one stack must "
        f"own a PersistentVolumeClaim: {way_out}, or write `{{instance}}` in the name"
    )
    add_stack(root, "two", instance="two", site=storage)  # reads its models from its image, so makes no claim
    assert refusals(root, "one") == refusals(root, "two") == ""


def test_the_labels_of_a_node_have_one_owner(root: Path) -> None:
    add_stack(root, "one", site={**LABELS, "singletons_owner": "one"})
    add_stack(root, "two", instance="two", site={**LABELS, "singletons_owner": "two"})
    assert refusals(root, "one") == (
        'site.node_labels: found "gpu-1" in the stacks `one` and `two`, for the nodes of context `here`: '
        "one stack must own the labels of a node: name one stack in site.singletons_owner of both"
    )
    add_stack(root, "two", instance="two", site={**LABELS, "singletons_owner": "one"})
    assert refusals(root, "one") == refusals(root, "two") == ""


@pytest.mark.parametrize(
    ("one", "two", "meet"),
    [
        (None, None, True),
        (None, "/home/me/.kube/config", True),
        ("/home/me/.kube/config", "/home/me//.kube/./config", True),
        ("/home/me/.kube/config", "/etc/k3s.yaml", False),
    ],
)
def test_a_cluster_is_a_context_of_a_kubeconfig(root: Path, one: str | None, two: str | None, *, meet: bool) -> None:
    """No kubeconfig is whichever the operator has, so it may be any."""
    add_stack(root, "one", site={"access": {"kubeconfig": one}})
    add_stack(root, "two", site={"access": {"kubeconfig": two}})
    assert bool(refusals(root, "one")) is bool(refusals(root, "two")) is meet


def test_stacks_of_two_clusters_or_two_namespaces_may_have_one_name(root: Path) -> None:
    add_stack(root, "one")
    add_stack(root, "two", site={"access": {"context": "there"}})
    add_stack(root, "three", site={"access": {"namespace": "elsewhere"}})
    assert refusals(root, "one") == refusals(root, "two") == refusals(root, "three") == ""


@pytest.mark.parametrize("broken", ["config: [", "config: {sonic:site: here, sonic:experiment: none}", ""])
def test_a_broken_stack_hides_no_meeting_of_the_others(
    root: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(root, "one")
    add_stack(root, "two")
    add_stack(root, "three", instance="three")
    (root / "Pulumi.broken.yaml").write_text(broken)
    assert main(["check"], root) == 1
    output = capsys.readouterr().out
    assert [line.split() for line in output.splitlines() if line and not line.startswith((" ", "4 of", "3 of"))] == [
        ["wrong", "broken"],
        ["wrong", "one"],
        ["ok", "three"],
        ["wrong", "two"],
    ]
    assert refusals(root, "three") == ""


def test_a_stack_that_lacks_a_secret_still_meets_another(root: Path) -> None:
    s3 = {"endpoint_url": "http://s3", "access_key_secret": "key-id", "secret_key_secret": "key"}
    repository = {"kind": "s3", "bucket": "models", "paths": None}
    add_stack(root, "one", site={"storage": {"s3": s3}}, experiment={"models": {"repository": repository}})
    add_stack(root, "two")
    assert "needs the secret key-id" in refusals(root, "one")
    for stack in ("one", "two"):
        assert 'sonic:instance: found "tiny"' in refusals(root, stack)


def test_a_sentence_names_three_others_and_counts_the_rest(root: Path) -> None:
    for number in range(6):
        add_stack(root, f"copy-{number}")
    assert "in the stacks `copy-3`, `copy-0`, `copy-1`, `copy-2` and 2 more, for namespace" in refusals(root, "copy-3")


def test_a_hundred_stacks_are_checked_together_in_seconds(root: Path) -> None:
    for number in range(100):
        add_stack(root, f"stack-{number}")
    start = time.monotonic()
    outcomes = resolve_all(root)
    assert time.monotonic() - start < 10
    assert all(isinstance(outcome, ConfigurationError) for outcome in outcomes.values())


def test_the_stacks_of_this_repository_do_not_meet() -> None:
    assert [outcome for outcome in resolve_all(ROOT).values() if isinstance(outcome, ConfigurationError)] == []
