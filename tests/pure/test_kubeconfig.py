"""Which kubeconfig and context a stack goes to, and what is told when there is none."""

from pathlib import Path

import pytest

from access.kubeconfig import find_context
from stacks.errors import ConfigurationError
from stacks.schema.site import Access


def kubeconfig(path: Path, *contexts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = "".join(f"\n- name: {context}\n  context: {{cluster: c, user: u}}" for context in contexts)
    path.write_text(f"apiVersion: v1\nkind: Config\ncontexts:{entries or ' []'}\n")
    return path


def access(path: Path | None = None) -> Access:
    return Access(context="geddes", namespace="sonic", kubeconfig=None if path is None else str(path))


def test_the_sites_own_file_comes_before_the_environment(tmp_path: Path) -> None:
    of_site, of_person = kubeconfig(tmp_path / "site", "geddes"), kubeconfig(tmp_path / "person", "geddes")
    found = find_context(access(of_site), {"KUBECONFIG": str(of_person)})
    assert (found.kubeconfig, found.name) == (of_site, "geddes")


def test_the_first_file_of_kubeconfig_that_has_the_context_is_taken(tmp_path: Path) -> None:
    without, having = kubeconfig(tmp_path / "a", "minikube"), kubeconfig(tmp_path / "b", "minikube", "geddes")
    missing = tmp_path / "missing"
    assert find_context(access(), {"KUBECONFIG": f"{missing}:{without}:{having}"}).kubeconfig == having


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


@pytest.mark.parametrize("content", ["", "- a list", "contexts: [nameless]", "a: b: c", "contexts: {}"])
def test_a_file_of_another_kind_is_told_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"^site\.access(\.context)?: .*{path}"):
        find_context(access(), {"KUBECONFIG": str(path)})
