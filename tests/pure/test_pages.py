"""Commands in the pages can be typed: programs, targets, subcommands, stacks, files and names exist."""

import re
from pathlib import Path

import pytest

from stacks.__main__ import main
from tests.support.pages import PAGES, ROOT, blocks, commands
from tests.support.stacks import STACKS, config_of

STARTED_BY_HAND = {
    "pulumi": "tests/engine/test_pages.py asks the CLI for each subcommand",
    "kubectl": "names of contexts, namespaces and labels are compared below",
    "kind": "needs Docker: its configuration is compared with the stack's port below",
    "docker": "needs Docker: the Dockerfile and its folder are looked for below",
    "git": "of Git",
    "mkdir": "tests/engine/test_first_hour.py runs it",
    "openssl": "tests/engine/test_first_hour.py runs it",
    "htpasswd": "of Apache: tests/loopback/test_metrics_login.py reads such a file",
    ".": "activates the environment that make install makes",
    "export": "sets a variable that the program or Pulumi reads",
    "pip": "optional",
    **dict.fromkeys(
        ("ssh-keygen", "useradd", "install", "cp", "systemctl", "sudo", "curl"),
        "of the host of an HPC site: tests/live/slurm/test_slurm_stack.py runs it",
    ),
}
ALL = [(page, words) for page in PAGES for words in commands(page)]
IDS = [f"{page.stem}: {' '.join(words)[:60]}" for page, words in ALL]


def stacks_of(words: list[str]) -> set[str]:
    """Return the stacks that a command names; `STACK`, `<stack>` and a comment's words stand for any."""
    named = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--stack"]
    if words[1:3] in (["-m", "stacks"], ["-m", "acceptance"]):
        named += [word for word in words[4 if words[2] == "stacks" else 3 :] if not word.startswith("-")][:1]
    return {name for name in named if re.fullmatch(r"[a-z][a-z0-9-]*", name)}


@pytest.mark.parametrize(("page", "words"), ALL, ids=IDS)
def test_a_command_names_what_exists(page: Path, words: list[str]) -> None:
    program = words[0]
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in words[1:] if "=" not in word and word not in targets] == []
    elif program != "python":
        assert program in STARTED_BY_HAND, f"{page.name} shows {program}: say here what tests it"
    assert stacks_of(words) <= set(STACKS)


RUN = [words for _, words in ALL if words[1:3] == ["-m", "stacks"] and words[3] in {"check", "list", "show"}]


@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_a_command_that_needs_no_cluster_succeeds(words: list[str]) -> None:
    typed = [STACKS[0] if word == "STACK" else word for word in words[3:]]
    assert main(typed) == 0


@pytest.mark.parametrize("words", [words for _, words in ALL if words[0] == "kubectl"], ids=" ".join)
def test_kubectl_is_told_a_context_and_a_namespace_that_a_stack_has(words: list[str]) -> None:
    configs = [config_of(stack) for stack in STACKS]
    if "--context" in words:
        assert words[words.index("--context") + 1] in {config.site.access.context for config in configs}
    if "-n" in words and (namespace := words[words.index("-n") + 1]).islower():
        assert namespace in {config.namespace for config in configs}


def test_the_kind_cluster_passes_on_the_port_of_the_stack() -> None:
    port = config_of("kind").site.exposure.client_port
    assert f"hostPort: {port}," in (ROOT / "docs" / "kind-cluster.yaml").read_text()


def test_the_kind_image_holds_the_models_where_the_stack_looks_for_them() -> None:
    repository = config_of("kind").experiment.models.repository
    assert repository.kind == "image"
    folder = (ROOT / "docs" / "kind.Dockerfile").read_text().split()[-1]
    assert repository.paths == (folder,)
    expected = {model.name for model in config_of("kind").experiment.models.expected}
    assert expected <= {path.name for path in (ROOT / "models").iterdir()}


def test_python_of_the_pages_is_python() -> None:
    programs = [text for page in PAGES for text in blocks(page, "python")]
    assert programs
    for text in programs:
        compile(text, "page", "exec")
