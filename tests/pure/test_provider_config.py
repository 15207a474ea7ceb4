"""The provider's settings, and the kubeconfigs they point to."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.provider import kubeconfig
from devcluster.provider.config import config_difference, config_failures, read_settings
from devcluster.provider.errors import ProviderError
from devcluster.provider.wire import UNKNOWN


def config(server: str = "https://one:6443", user: dict[str, Any] | None = None, **context: str) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", **context}},
            {"name": "there", "context": {"cluster": "d", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": server}},
            {"name": "d", "cluster": {"server": "https://other:6443/"}},
        ],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }


def text(**arguments: Any) -> str:
    return json.dumps(config(**arguments))


def test_the_current_context_gives_address_namespace_and_token() -> None:
    access = kubeconfig.access(text(namespace="home"))

    assert (access.server, access.namespace, access.token) == ("https://one:6443", "home", "t")


def test_context_and_cluster_can_be_chosen() -> None:
    assert kubeconfig.access(text(), context="there").server == "https://other:6443"
    assert kubeconfig.access(text(), cluster="d").server == "https://other:6443"


def test_a_path_and_the_environment_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config()))
    (tmp_path / "token").write_text("from-file\n")
    relative = tmp_path / "relative"
    relative.write_text(yaml.safe_dump(config(server="https://two", user={"tokenFile": "token"})))

    assert kubeconfig.access(str(file)).server == "https://one:6443"
    monkeypatch.setenv("KUBECONFIG", str(relative))
    access = kubeconfig.access(None)
    assert (access.server, access.token) == ("https://two", "from-file")


def test_of_several_files_the_first_to_define_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, server in (("a", "https://first"), ("b", "https://second")):
        (tmp_path / name).write_text(yaml.safe_dump(config(server=server)))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{tmp_path / 'a'}:{tmp_path / 'b'}")

    assert kubeconfig.access(None).server == "https://first"


def test_a_credential_command_is_run(tmp_path: Path) -> None:
    answer = {"kind": "ExecCredential", "status": {"token": "from-command"}}
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [json.dumps(answer)]}}
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config(user=user)))

    access = kubeconfig.access(str(file))
    assert (access.server, access.token) == ("https://one:6443", "from-command")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("/no/such/file", "no kubeconfig at /no/such/file: set KUBECONFIG"),
        (json.dumps(config() | {"current-context": "x"}), "no entry 'x' under contexts"),
        (json.dumps(config() | {"current-context": ""}), "has no current context"),
        (text(user={"username": "me"}), "user 'u' of the kubeconfig has no certificate, token or exec entry"),
        (text(user={"tokenFile": "/no/such/token"}), "cannot be used: FileNotFoundError"),
        (
            text(user={"exec": {"apiVersion": "v1", "command": "/no/such/command"}}),
            "credential command '/no/such/command' gave no credential",
        ),
        ("- a\n- list\n", "is not a kubeconfig: it holds list, not a mapping"),
        ("{not: [yaml", "is not YAML"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(given: str, sentence: str) -> None:
    with pytest.raises(ProviderError) as refusal:
        kubeconfig.access(given)
    assert sentence in str(refusal.value)


def test_a_certificate_authority_that_is_none_is_refused() -> None:
    broken = config()
    broken["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(b"junk").decode()

    with pytest.raises(ProviderError, match="cannot be used"):
        kubeconfig.access(json.dumps(broken))


def test_settings_arrive_as_text() -> None:
    settings = read_settings({"enableConfigMapMutable": "true", "enableSecretMutable": "false", "namespace": "home"})

    assert (settings.mutable_config_maps, settings.mutable_secrets, settings.namespace) == (True, False, "home")


def test_what_the_stand_in_lacks_is_refused_by_name() -> None:
    failures = config_failures({"strictMode": "true", "enableServerSideApply": "true", "namespace": "home"})

    assert [key for key, _reason in failures] == ["strictMode"]
    assert "does not implement 'strictMode'" in failures[0][1]
    assert [key for key, _reason in config_failures({"enableServerSideApply": "false"})] == ["enableServerSideApply"]


def test_rendering_goes_with_no_cluster_but_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/the/environments")

    assert config_failures({"renderYamlToDirectory": "x", "kubeconfig": "/the/environments"}) == []
    refused = config_failures({"renderYamlToDirectory": "x", "kubeconfig": "/another", "context": "c"})
    assert [key for key, _reason in refused] == ["kubeconfig", "context"]


ONE, TWO = text(), text(server="https://two:6443")


@pytest.mark.parametrize(
    ("old", "new", "diffs", "replaces"),
    [
        ({"kubeconfig": ONE}, {"kubeconfig": ONE}, (), ()),
        ({"kubeconfig": ONE}, {"kubeconfig": TWO}, ("kubeconfig",), ("kubeconfig",)),
        ({"kubeconfig": ONE}, {"kubeconfig": text(user={"token": "new"})}, ("kubeconfig",), ()),
        ({"kubeconfig": ONE}, {"kubeconfig": ONE, "context": "there"}, ("context",), ("context",)),
        ({"kubeconfig": ONE}, {"kubeconfig": UNKNOWN}, ("kubeconfig",), ("kubeconfig",)),
        ({"namespace": "a"}, {"namespace": "b"}, ("namespace",), ()),
        (
            {"renderYamlToDirectory": "a"},
            {"renderYamlToDirectory": "b"},
            ("renderYamlToDirectory",),
            ("renderYamlToDirectory",),
        ),
        (
            {"kubeconfig": ONE, "clusterIdentifier": "i"},
            {"kubeconfig": TWO, "clusterIdentifier": "i"},
            ("kubeconfig",),
            (),
        ),
        ({"clusterIdentifier": "i"}, {"clusterIdentifier": "j"}, ("clusterIdentifier",), ("clusterIdentifier",)),
        ({}, {"clusterIdentifier": "j"}, ("clusterIdentifier",), ()),
    ],
)
def test_another_cluster_replaces_unless_its_identifier_vouches_for_it(
    old: dict[str, Any], new: dict[str, Any], diffs: tuple[str, ...], replaces: tuple[str, ...]
) -> None:
    found = config_difference(old, new)

    assert (found.diffs, found.replaces) == (diffs, replaces)
