"""Pulumi's CLI knows the subcommands and flags that the pages show."""

import re
import subprocess

import pytest

from devcluster.credentials import KUBECONFIG
from tests.support.pages import PAGES, commands
from tests.support.pulumi_cli import engine_environment

pytestmark = pytest.mark.engine

TYPED = sorted({tuple(words) for page in PAGES for words in commands(page) if words[0] == "pulumi"})
GROUPS = {"config", "plugin", "stack", "state"}


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_pulumi_knows_a_command_of_the_pages(words: tuple[str, ...]) -> None:
    subcommand = words[1:3] if words[1] in GROUPS and words[2:] and words[2].isalpha() else words[1:2]
    told = subprocess.run(
        ["pulumi", *subcommand, "--help"],
        env=engine_environment(KUBECONFIG),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    usage = told.partition("Usage:")[2].partition("Flags:")[0]  # with the aliases, such as `init` for `new`
    assert set(subcommand) <= set(re.findall(r"[a-z-]+", usage))
    assert [flag for flag in words if flag.startswith("-") and flag.partition("=")[0] not in told] == []
