"""docs/install-edge.md, followed line by line on a host of its own, for the virtual node of `dev-slurm`."""

import json
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import yaml

from devcluster.addresses import NODE_ADDRESS
from devcluster.credentials import CLUSTER_AUTHORITY
from devcluster.credentials import EDGE as HOST_IDENTITY
from devcluster.kubectl import Kubectl
from devcluster.slurm import bastion, keys
from devcluster.slurm.folders import JOBS_UID, SLURM
from stacks.schema.url import endpoint
from tests.support.hpc_host import INTERLINK, INTERLINK_PLUGIN, HpcHost
from tests.support.page_shell import Outcome, Script
from tests.support.pages import ROOT, blocks, command_lines
from tests.support.pulumi_cli import PulumiProject

PAGE = ROOT / "docs" / "install-edge.md"
STACK, NODE, NAMESPACE = "dev-slurm", "interlink-dev", "jobs"
API_URL = f"https://{NODE_ADDRESS}:13031"
"""Beside the API that the dev cluster has."""
FOLDER = SLURM / "edge-of-the-page"
DATA_FOLDER, KEY_FILE = FOLDER / "jobs", FOLDER / "tunnel"
AGENT, API, PLUGIN = "sonic-slurm-agent", "interlink-api", "interlink-slurm-plugin"
_LOOK_SECONDS = 3


class InstalledEdge:
    """The HPC side, in the three parts between which the operator deploys the stack.

    Args:
        host: the host of the HPC site.
        project: the operator's repository, in which the administrator's files are, too.
        kubectl: as the cluster's administrator.
    """

    def __init__(self, host: HpcHost, project: PulumiProject, kubectl: Kubectl) -> None:
        self._host = host
        self._folder = project.directory
        self._kubectl = kubectl
        self._site_file = project.directory / f"stacks/sites/{STACK}.yaml"
        self._lines = list(command_lines(PAGE))
        self._followed = 0

    def install(self) -> None:
        """Steps 1 to 6, on an empty host."""
        shutil.rmtree(FOLDER, ignore_errors=True)
        with self._site() as site:
            (node,), (pool, *_) = site["virtual_nodes"], site["pools"]
            node["api"]["url"] = API_URL
            node["slurm"]["data_folder"] = str(DATA_FOLDER)
            node["tunnel"]["private_key_file"] = str(KEY_FILE)
            del pool["slurm"]["user_id"]  # the plugin is the jobs' user
        for name, file in {
            "tls.crt": HOST_IDENTITY.certificate,
            "tls.key": HOST_IDENTITY.key,
            "ca.crt": CLUSTER_AUTHORITY.certificate,
        }.items():
            shutil.copy(file, self._folder / name)
        for name, text in {"interlink": INTERLINK, "interlink-sidecar-slurm": INTERLINK_PLUGIN}.items():
            (self._folder / name).write_text(text)
        # Jobs run on nodes that do not know the users of this host: theirs has two names here.
        user = f"--non-unique --gid {JOBS_UID}"
        self._follow(
            before="sudo ",
            instead={
                r"\bSTACK\b": STACK,
                r"\bNODE\b": NODE,
                "^useradd": f"groupadd {user} interlink && useradd --no-log-init --uid {JOBS_UID} {user}",
                "/scratch/interlink": str(DATA_FOLDER),
                "/home/interlink/.ssh/tunnel": str(KEY_FILE),
            },
        )
        with self._site() as site:
            (node,) = site["virtual_nodes"]
            node["tunnel"]["public_key"] = self._public_key("tunnel")
            node["tunnel"]["host_public_key"] = self._public_key("tunnel-host")
        self._let_in(self._public_key("tunnel"))

    def check(self) -> None:
        """Steps 7 and 8, once the stack is deployed."""
        resources, failed, node, *_ = self._follow(
            before="openssl ",
            instead={
                r"\bNODE\b": NODE,
                r"\bNAMESPACE\b": bastion.NAMESPACE,
                "^curl ": "curl --silent --fail --retry 9 --retry-connrefused --retry-delay 1 ",
            },
        )
        assert json.loads(resources.output)["resources"]["pods"]
        assert failed.output == "0 loaded units listed.\n"
        assert " Ready " in node.output

    def measure(self) -> None:
        """Step 9. The stack's Prometheus reads the agent after the next update of the stack."""
        (text,) = blocks(PAGE, "yaml")
        with self._site() as site:
            (node,) = site["virtual_nodes"]
            node |= yaml.safe_load(text.replace("slurm.example.org", NODE_ADDRESS))
        self._agent_port = endpoint(node["agent"]["url"]).port
        self._follow(instead={r"\bSTACK\b": STACK, r"\bNODE\b": NODE, r"\bNAMESPACE\b": NAMESPACE})
        assert self._followed == len(self._lines)

    def fault(self, **faults: Any) -> None:
        """Inject faults into the stand-in of interLink."""
        self._host.file("/etc/interlink/faults.yaml").write_text(yaml.safe_dump(faults))

    def stop_interlink(self) -> None:
        """Stop interLink's API and plugin."""
        self._host.run("systemctl", "stop", API, PLUGIN)

    def heal_interlink(self) -> None:
        """Run the command that docs/slurm.md names."""
        self._host.run("systemctl", "restart", PLUGIN, API)

    @contextmanager
    def acting_agent(self, **settings: Any) -> Iterator[None]:
        """Let the agent act, with other settings than the page's, and look often."""
        file = self._host.file("/etc/interlink/agent.json")
        installed = file.read_text()
        file.write_text(json.dumps({**json.loads(installed), "act": True, "period_seconds": _LOOK_SECONDS, **settings}))
        self._host.run("systemctl", "restart", AGENT)
        try:
            yield
        finally:
            file.write_text(installed)
            self._host.run("systemctl", "restart", AGENT)

    def metrics(self) -> dict[str, float]:
        """Return the agent's metrics by name and labels, read with the certificate of step 9."""
        context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        context.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        with urlopen(f"https://{NODE_ADDRESS}:{self._agent_port}/metrics", context=context) as answer:
            lines = answer.read().decode().splitlines()
        series = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name: float(value) for name, _, value in series}

    def remove(self) -> None:
        """Undo what is not on the host."""
        bastion.apply_bastion(self._kubectl)
        shutil.rmtree(FOLDER, ignore_errors=True)

    def _follow(self, *, instead: dict[str, str], before: str = "") -> list[Outcome]:
        """Run the next lines of the page, up to one that begins with `before`."""
        left = self._lines[self._followed :]
        end = next((at for at, line in enumerate(left) if before and line.startswith(before)), len(left))
        outcomes = self._host.shell(self._folder).follow(left[:end], Script(instead=instead))
        self._followed += len(outcomes)
        return outcomes

    @contextmanager
    def _site(self) -> Iterator[dict[str, Any]]:
        site = yaml.safe_load(self._site_file.read_text())
        yield site
        self._site_file.write_text(yaml.safe_dump(site))

    def _public_key(self, name: str) -> str:
        return " ".join((self._folder / f"{name}.pub").read_text().split())

    def _let_in(self, public_key: str) -> None:
        """Let the bastion take a further key of jobs, which the page leaves to its administrator."""
        place = f"--namespace={bastion.NAMESPACE}"
        data = {"stringData": {"authorized_keys": f"{keys.public_key(keys.JOBS)}\n{public_key}\n"}}
        self._kubectl.run("patch", "secret", bastion.BASTION, place, "--type=merge", f"--patch={json.dumps(data)}")
        self._kubectl.run("rollout", "restart", f"deployment/{bastion.BASTION}", place)
        self._kubectl.run("rollout", "status", f"deployment/{bastion.BASTION}", place, "--timeout=120s")
