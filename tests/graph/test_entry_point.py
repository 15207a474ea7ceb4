"""The program itself, as Pulumi runs it: `__main__.py` from the root of the repository."""

import json
import runpy
from pathlib import Path

import pulumi
import pytest
import yaml

from stacks.resolve import ROOT
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.kubectl_stand_in import KubectlStandIn, kubectl
from tests.support.recorder import Recorder

__all__ = ["kubectl"]

PROVIDER = "pulumi:providers:kubernetes"
SECRETS = {"sonic:s3-access-key": "key", "sonic:s3-secret-key": "secret"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, "sonic-dev")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for variable in ("SONIC_KUBE_CONTEXT", "SONIC_RENDER_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)


def run(recorder: Recorder, stack: str, *, preview: bool = False) -> None:
    file = ROOT / f"Pulumi.{stack}.yaml"
    config = yaml.safe_load(file.read_text())["config"] if file.exists() else {}
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.set_all_config({**plain, **SECRETS}, list(SECRETS))
    recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py")), stack=stack, preview=preview)


def test_one_provider_goes_to_the_context_that_the_site_names(recorder: Recorder) -> None:
    run(recorder, "dev")
    provider = recorder.one(PROVIDER)
    assert provider.inputs["context"] == provider.inputs["clusterIdentifier"] == "sonic-dev"
    assert provider.inputs["kubeconfig"] == "", "the plugin reads KUBECONFIG; no operator's path is in the state"


def test_another_name_of_the_context_is_the_same_cluster(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi replaces every object when the identity changes, and an operator may name the context freely."""
    write_kubeconfig(tmp_path / "kubeconfig", "my-own-name")
    monkeypatch.setenv("SONIC_KUBE_CONTEXT", "my-own-name")
    run(recorder, "dev")
    provider = recorder.one(PROVIDER)
    assert (provider.inputs["context"], provider.inputs["clusterIdentifier"]) == ("my-own-name", "sonic-dev")


def test_every_resource_goes_to_that_provider(recorder: Recorder) -> None:
    run(recorder, "dev")
    provider = recorder.one(PROVIDER)
    objects = [r for r in recorder.resources_by_urn.values() if r.type.startswith("kubernetes:")]
    used = {resource.provider.rpartition("::")[0] for resource in objects}
    assert used == {provider.urn}


def test_exports_are_what_clients_the_check_and_operators_read(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports: dict[str, object] = {}
    monkeypatch.setattr(pulumi, "export", exports.__setitem__)
    run(recorder, "dev")
    described = {"namespace", "models", "config_digest"}
    assert exports.keys() == {"grpc_endpoint", "grpc_tls", "metrics_url", "metrics_queries", "siteconf", *described}


def test_a_deployed_stack_is_never_rendered_by_pulumi(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another provider would replace each object, and so delete the deployed ones."""
    monkeypatch.setenv("SONIC_RENDER_DIRECTORY", "manifests")
    with pytest.raises(pulumi.RunError, match="python -m stacks render STACK DIR"):
        run(recorder, "dev")
    assert recorder.resources_by_urn == {}


def test_a_wrong_configuration_ends_with_its_sentences_before_anything_is_made(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError, match="devv"):
        run(recorder, "devv")
    assert recorder.resources_by_urn == {}


def test_a_missing_context_ends_with_its_sentence_before_anything_is_made(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError, match=r"found no context `geddes`"):
        run(recorder, "purdue-cms")
    assert recorder.resources_by_urn == {}


def test_names_from_another_file_are_refused(recorder: Recorder) -> None:
    """Pulumi takes `--config-file`, and the program would go on to deploy what the stack's own file says."""
    pulumi.runtime.set_all_config({**SECRETS, "sonic:site": "anvil"}, list(SECRETS))
    with pytest.raises(pulumi.RunError, match=r"found `anvil` from Pulumi: must be `dev` as in Pulumi\.dev\.yaml"):
        recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py")), stack="dev")
    pulumi.runtime.set_all_config({**SECRETS, "sonic:site": "dev", "sonic:experiment": "demo"}, list(SECRETS))
    recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py")), stack="dev")


def test_a_preview_ends_with_what_does_not_fit(recorder: Recorder, kubectl: KubectlStandIn) -> None:
    kube_system = {"metadata": {"name": "kube-system", "uid": "1"}}
    old = {"GET /version": [200, {"gitVersion": "v1.28.3"}], "GET /api/v1/namespaces/kube-system": [200, kube_system]}
    kubectl.answers(**old)
    with pytest.raises(pulumi.RunError) as refused:
        run(recorder, "dev", preview=True)
    head, *misfits = str(refused.value).splitlines()
    assert head == "the stack does not fit its cluster (all rows: python -m stacks fit dev):"
    assert "Kubernetes: the API server is v1.28.3, and 1.29 is the oldest supported: upgrade the cluster" in misfits
    assert recorder.one(PROVIDER), "the preview shows what it would make, too"


def test_a_preview_says_when_the_cluster_is_not_asked(
    recorder: Recorder, kubectl: KubectlStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi, "warn", warnings.append)
    kubectl.answers(**{"GET /version": [500, "dial tcp 10.0.0.1:6443: connect: connection refused"]})
    run(recorder, "dev", preview=True)
    assert warnings == [
        "the cluster was not asked whether stack `dev` fits it: dial tcp 10.0.0.1:6443: connect: connection refused\n"
    ]


def test_an_update_asks_nothing(recorder: Recorder, kubectl: KubectlStandIn) -> None:
    """Its preview did; `pulumi up --skip-preview` is the way past a row that is wrong."""
    kubectl.answers(error="never started")
    run(recorder, "dev")
    assert recorder.one(PROVIDER)
