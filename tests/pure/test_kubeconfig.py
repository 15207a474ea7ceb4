"""The kubeconfig and the context of a stack, and the errors where there is none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from access.kubeconfig import find_context
from stacks.errors import ConfigurationError
from stacks.schema.site import Access
from tests.support.kubeconfigs import write_kubeconfig


def kubeconfig(path: Path, *contexts: str) -> Path:
    write_kubeconfig(path, *contexts)
    return path


def write(path: Path, content: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    return path


def access(path: Path | None = None) -> Access:
    return Access(context="geddes", namespace="sonic", kubeconfig=None if path is None else str(path))


def test_the_sites_own_file_comes_before_the_environment(tmp_path: Path) -> None:
    of_site, of_person = kubeconfig(tmp_path / "site", "geddes"), kubeconfig(tmp_path / "person", "geddes")
    found = find_context(access(of_site), {"KUBECONFIG": str(of_person)})
    assert (found.kubeconfig, found.name) == (of_site, "geddes")


def test_files_of_kubeconfig_may_be_missing_or_without_the_context(tmp_path: Path) -> None:
    without = write(tmp_path / "a", {"contexts": None})
    having = kubeconfig(tmp_path / "b", "minikube", "geddes")
    found = find_context(access(), {"KUBECONFIG": f"{tmp_path}/missing::{without}:{having}:"})
    assert found.kubeconfig == having


def test_context_cluster_and_user_are_merged_from_their_files(tmp_path: Path) -> None:
    contexts = write(
        tmp_path / "contexts/config", {"contexts": [{"name": "geddes", "context": {"cluster": "g", "user": "me"}}]}
    )
    clusters = write(
        tmp_path / "clusters/config",
        {"clusters": [{"name": "g", "cluster": {"server": "https://g", "certificate-authority": "ca.pem"}}]},
    )
    user = {"client-certificate": "/etc/me.pem", "client-key": "me.key", "exec": {"command": "./login", "args": []}}
    users = write(tmp_path / "users/config", {"users": [{"name": "me", "user": user}]})
    found = find_context(access(), {"KUBECONFIG": f"{contexts}:{clusters}:{users}"})
    assert isinstance(found.kubeconfig, str)
    merged = json.loads(found.kubeconfig)
    assert merged["contexts"] == [{"name": "geddes", "context": {"cluster": "g", "user": "me"}}]
    assert merged["clusters"][0]["cluster"]["certificate-authority"] == f"{tmp_path}/clusters/ca.pem"
    assert merged["users"][0]["user"] == {
        "client-certificate": "/etc/me.pem",
        "client-key": f"{tmp_path}/users/me.key",
        "exec": {"command": f"{tmp_path}/users/login", "args": []},
    }


def test_the_first_entry_of_a_name_counts(tmp_path: Path) -> None:
    """The second file alone would lead to another cluster than kubectl goes to."""
    first, second = kubeconfig(tmp_path / "a", "minikube"), kubeconfig(tmp_path / "b", "geddes")
    found = find_context(access(), {"KUBECONFIG": f"{first}:{second}"})
    assert isinstance(found.kubeconfig, str)
    assert json.loads(found.kubeconfig)["clusters"][0]["cluster"]["server"] == "https://a.example.org"


def test_a_relative_path_is_relative_to_its_file_and_not_to_the_plugin(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "geddes")
    path.write_text(path.read_text().replace('"token": "config"', '"client-key": "me.key"'))
    found = find_context(access(), {"KUBECONFIG": str(path)})
    assert isinstance(found.kubeconfig, str)
    assert json.loads(found.kubeconfig)["users"][0]["user"] == {"client-key": f"{tmp_path}/me.key"}


def test_the_time_at_which_a_token_ends_stays_a_text(tmp_path: Path) -> None:
    first = tmp_path / "a"
    first.write_text("users: [{name: u, user: {auth-provider: {config: {expiry: 2026-01-01T00:00:00Z}}}}]\n")
    second = kubeconfig(tmp_path / "b", "geddes")
    found = find_context(access(), {"KUBECONFIG": f"{first}:{second}"})
    assert '"expiry": "2026-01-01T00:00:00Z"' in str(found.kubeconfig)


@pytest.mark.parametrize("section", ["clusters", "users"])
def test_a_context_without_its_cluster_or_user_is_told(tmp_path: Path, section: str) -> None:
    path = kubeconfig(tmp_path / "config", "geddes")
    path.write_text(path.read_text().replace(f'"{section}"', '"others"'))
    key = section.removesuffix("s")
    with pytest.raises(ConfigurationError) as caught:
        find_context(access(), {"KUBECONFIG": str(path)})
    assert str(caught.value) == (
        f"site.access.context: {path}: the context `geddes` is of {key} `{key[0]}`, and the kubeconfigs have none: "
        f"add the {key}, or set KUBECONFIG to all the files that kubectl is used with"
    )


def test_without_kubeconfig_the_file_in_the_home_folder_is_taken(tmp_path: Path) -> None:
    at_home = kubeconfig(tmp_path / ".kube/config", "geddes")
    assert find_context(access(), {"HOME": str(tmp_path)}).kubeconfig == at_home


def test_the_environment_puts_another_context_in_its_place(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "geddes", "sonic-dev")
    environ = {"KUBECONFIG": str(path), "SONIC_KUBE_CONTEXT": "sonic-dev"}
    assert find_context(access(), environ).name == "sonic-dev"


def test_no_file_is_told_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_context(access(), {"HOME": str(tmp_path)})
    assert str(caught.value) == (
        f"site.access: found no kubeconfig at {tmp_path}/.kube/config: it says how the cluster is reached: "
        "set KUBECONFIG to one that exists"
    )


def test_no_context_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    one, other = kubeconfig(tmp_path / "a", "minikube", "kind"), kubeconfig(tmp_path / "b")
    with pytest.raises(ConfigurationError) as caught:
        find_context(access(), {"KUBECONFIG": f"{one}:{other}"})
    assert str(caught.value) == (
        f"site.access.context: found no context `geddes` ({one} has minikube, kind; {other} has none): "
        "the stack is deployed to that context and to no other: "
        "set KUBECONFIG to a file that has it, or SONIC_KUBE_CONTEXT to the context that is meant"
    )


@pytest.mark.parametrize(
    "content", ["", "- a list", "contexts: [nameless]", "a: b: c", "contexts: {}", "contexts: [{name: a}, {name: a}]"]
)
def test_a_file_of_another_kind_is_told_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"^site\.access(\.context)?: .*{path}"):
        find_context(access(), {"KUBECONFIG": str(path)})
