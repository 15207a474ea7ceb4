"""A person follows README's first deployment, and the page on kind, from an empty folder, line by line as printed."""

import re
import subprocess
from pathlib import Path

import pytest

from devcluster.addresses import CLUSTER_NAME
from tests.support.dev_cluster import Cluster
from tests.support.newcomer import Newcomer
from tests.support.page_shell import Script
from tests.support.pages import ROOT, command_lines
from tests.support.stacks import config_of

pytestmark = pytest.mark.engine

MISFITS = "the stack does not fit its cluster"
README = Script(
    instead={
        "s3://BUCKET": "file://$HOME",
        "(?<=--context )geddes": CLUSTER_NAME,
        "my-name-for-geddes": CLUSTER_NAME,
        "^pulumi up": "pulumi up --yes",  # nobody is there to answer
    },
    fails={  # the dev cluster has neither GPUs nor CVMFS, and no namespace `cms`
        "^python -m stacks fit": r"(?s)FAIL.*: (?!.*Traceback)",
        "^pulumi preview": MISFITS,
        "^pulumi up": MISFITS,
        "^python -m acceptance": "purdue-cms",
    },
)
KIND = Script(
    instead={
        "^pulumi (up|destroy)": r"pulumi \1 --yes",
        "pulumi stack rm": "pulumi stack rm --yes",
        # `--local` is in the home of the user database. The name is that of the cluster in place of kind's.
        "^pulumi login --local": f"pulumi login file://$HOME; export SONIC_KUBE_CONTEXT={CLUSTER_NAME}",
    },
    not_run={
        "^kind ": "needs Docker; tests/pure/test_pages.py compares its configuration with the stack",
        "^docker ": "needs Docker; tests/pure/test_pages.py reads the Dockerfile",
    },
    fails={  # the dev cluster has another name, and not the image that docker builds
        "^pulumi (preview|up)": MISFITS,
        "^python -m acceptance": "kind",
    },
)


@pytest.fixture
def newcomer(cluster: Cluster, tmp_path: Path) -> Newcomer:  # noqa: ARG001
    return Newcomer(tmp_path)


def test_readme_leads_from_an_empty_folder_to_the_misfits_of_the_cluster(newcomer: Newcomer) -> None:
    lines = list(command_lines(ROOT / "README.md", "The first deployment"))
    outcomes = newcomer.follow(lines, README)
    assert len(outcomes) == len(lines) > 0
    (table,) = [outcome.output for outcome in outcomes if outcome.line.startswith("python -m stacks fit")]
    failing = [line for line in table.splitlines() if "  FAIL  " in line]
    assert failing
    assert all(": " in line for line in failing), "each row that fails has its way out"
    assert "encryptionsalt:" in (newcomer.clone / "Pulumi.purdue-cms.yaml").read_text()


def test_the_page_on_kind_leads_to_all_that_needs_no_docker(newcomer: Newcomer, cluster: Cluster) -> None:
    outcomes = newcomer.follow(list(command_lines(ROOT / "docs" / "try-on-kind.md")), KIND)
    assert any(outcome.line.startswith("pulumi destroy") for outcome in outcomes)
    assert (newcomer.clone / "Pulumi.kind.yaml").exists(), "whoever removes the stack can make it once more"
    site = newcomer.clone / "stacks/sites/kind.yaml"
    site.write_text(site.read_text().replace("port: 30801", "port: 30809"))  # the stack `dev` has the page's port here
    python, folder = newcomer.clone / ".venv/bin/python", newcomer.home / "manifests"
    subprocess.run([python, "-m", "stacks", "render", "kind", folder], cwd=newcomer.clone, check=True)
    namespace = config_of("kind").namespace
    cluster.kubectl.run("create", "namespace", namespace)  # a dry run makes none, and the other objects need it
    try:
        cluster.kubectl.run("apply", "--dry-run=server", f"--filename={folder}", "--recursive")
    finally:
        cluster.kubectl.run("delete", "namespace", namespace)


def test_the_commands_that_check_prints_set_the_missing_secrets(newcomer: Newcomer) -> None:
    stack = newcomer.clone / "Pulumi.dev.yaml"
    stack.write_text(re.sub(r"  sonic:s3-.*\n    secure: .*\n|encryptionsalt: .*\n", "", stack.read_text()))
    local = {"^pulumi login --local": "pulumi login file://$HOME"}
    start = list(command_lines(ROOT / "docs" / "try-on-kind.md"))
    start = [line for line in start if line.startswith(("make install", "export ", "pulumi login"))]
    checked = Script(instead=local, fails={"stacks check": "needs the secret"})
    said = newcomer.follow([*start, "python -m stacks check dev"], checked)[-1].output
    printed = re.findall(r"pulumi config set --stack dev --secret [a-z0-9-]+", said)
    assert len(printed) == len(set(printed)) == said.count("needs the secret") > 0
    assert "first pulumi stack init" in said
    typed = [f"echo value | {command}" for command in printed]
    newcomer.follow(
        [*start, "pulumi stack init dev", *typed, "python -m stacks check dev"],
        Script(instead=local),
    )
