"""The kubeconfig and the context of a stack, and the errors where there is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from access.kubeconfig import KubeContext, find_context
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
    assert found == KubeContext(kubeconfig=None, name="geddes")


def test_context_cluster_and_user_may_be_in_different_files(tmp_path: Path) -> None:
    contexts = write(tmp_path / "a", {"contexts": [{"name": "geddes", "context": {"cluster": "g", "user": "me"}}]})
    clusters = write(tmp_path / "b", {"clusters": [{"name": "g", "cluster": {"server": "https://g"}}]})
    users = write(tmp_path / "c", {"users": [{"name": "me", "user": {"client-key": "me.key"}}]})
    assert find_context(access(), {"KUBECONFIG": f"{contexts}:{clusters}:{users}"}).kubeconfig is None
    with pytest.raises(ConfigurationError, match="is of user `me`, and the kubeconfigs have none"):
        find_context(access(), {"KUBECONFIG": f"{contexts}:{clusters}"})


def test_the_first_entry_of_a_name_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {"contexts": [{"name": "geddes", "context": {"cluster": "gone", "user": "u"}}]})
    second = kubeconfig(tmp_path / "b", "geddes")
    assert find_context(access(), {"KUBECONFIG": f"{second}:{first}"}).name == "geddes"
    with pytest.raises(ConfigurationError, match=f"{first}: the context `geddes` is of cluster `gone`"):
        find_context(access(), {"KUBECONFIG": f"{first}:{second}"})


def test_a_relative_path_in_the_sites_file_is_told(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "geddes")
    path.write_text(path.read_text().replace('"token": "config"', '"client-key": "me.key"'))
    with pytest.raises(ConfigurationError) as caught:
        find_context(access(path), {})
    assert str(caught.value) == (
        f"site.access.kubeconfig: {path}: user `u` has client-key `me.key`, relative to its file: "
        "write an absolute path, or leave site.access.kubeconfig out and set KUBECONFIG"
    )
    assert find_context(access(), {"KUBECONFIG": str(path)}).kubeconfig is None


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
    assert find_context(access(), {"HOME": str(tmp_path)}).name == "geddes", at_home


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
