"""The real Pulumi CLI on a project of its own: what the engine ring is written with.

    project = PulumiProject(directory, environment)        # directory holds Pulumi.yaml and the program
    assert project.preview().step("settings").op == "create"
    project.up()
    message = project.up(fails=True).output                # AssertionError unless the CLI fails

State and passphrase of the project stay in its directory; Pulumi's home, with the plugin, is the cluster's. Any
unexpected outcome is an AssertionError with the command and the CLI's whole output.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster import environment
from devcluster.paths import CHECKOUT
from devcluster.toolchain import Toolchain

_PROGRAM = ("Pulumi.yaml", "__main__.py", "access", "components", "diagnosis", "edge", "fit", "rendering", "stacks")
_TIMEOUT_SECONDS = 300
_MACHINE_KEYS = frozenset({"sourcePosition", "stackTrace"})
"""Keys of the CLI's JSON that hold paths of this machine."""


def engine_environment(kubeconfig: Path) -> dict[str, str]:
    """Give the environment of `make shell`, with this kubeconfig instead of the cluster's."""
    variables = environment.variables(Toolchain())
    return variables | {"KUBECONFIG": str(kubeconfig)}


def copy_of_the_program(directory: Path) -> None:
    """Copy the program and its stacks: the CLI writes salts and state beside them."""
    for path in [*(CHECKOUT / name for name in _PROGRAM), *CHECKOUT.glob("Pulumi.*.yaml")]:
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, directory / path.name)


def write_override(directory: Path, stack: str, override: Mapping[str, Any], *, like: str = "dev") -> None:
    """Write the file of a stack: that of another one (or its own), with these changes of its site and experiment."""
    document = yaml.safe_load((directory / f"Pulumi.{like}.yaml").read_text())
    document["config"]["sonic:override"] = dict(override)
    (directory / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(document))


@dataclass(frozen=True)
class Run:
    """A finished command: its exit code, and stdout and stderr together."""

    command: str
    returncode: int
    output: str


@dataclass(frozen=True)
class Step:
    """What a preview proposes for one resource.

    `op` is e.g. `create`, `update`, `same`, `replace`, `create-replacement`, `delete-replaced`, `delete`;
    `changes` are the changed paths with their kinds; `old` and `new` are states, with `inputs` and `outputs`.
    """

    name: str
    type: str
    op: str
    changes: Mapping[str, str]
    replaces: tuple[str, ...]
    old: Mapping[str, Any]
    new: Mapping[str, Any]


@dataclass(frozen=True)
class Preview:
    """A finished preview: its steps without the stack's own, in order, and the messages of its diagnostics."""

    steps: tuple[Step, ...]
    messages: tuple[str, ...]

    @property
    def operations(self) -> dict[str, str]:
        """Resource name -> op; of a replaced resource, the deciding `replace` or `create-replacement`."""
        order = ("delete-replaced", "create-replacement", "replace")
        ranked = sorted(self.steps, key=lambda step: order.index(step.op) if step.op in order else 0)
        return {step.name: step.op for step in ranked}

    def step(self, name: str, op: str | None = None) -> Step:
        """The only step of that resource (and operation)."""
        found = [step for step in self.steps if step.name == name and op in (None, step.op)]
        assert len(found) == 1, f"wanted one step of {name!r} {op or ''}, found {found} among {self.operations}"
        return found[0]


class PulumiProject:
    """A directory with a Pulumi program, and one stack of it on a file backend beside it."""

    def __init__(self, directory: Path, environment: Mapping[str, str], stack: str = "test"):
        self.directory = directory
        self.stack = stack
        backend = directory / ".state"
        backend.mkdir(exist_ok=True)
        self._environment = {
            **os.environ,
            **environment,
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.run("stack", "select", "--create", stack)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of its commands."""
        return self._environment

    def set_environment(self, name: str, value: str) -> None:
        """Set a variable for the commands to come."""
        self._environment[name] = value

    def preview(self, *flags: str, fails: bool = False) -> Preview:
        """A preview that must succeed; with `fails` it must fail, and may have steps before it does."""
        finished = self._execute("preview", "--json", *flags, merge_stderr=False)
        document = json.loads(finished.stdout or "{}")
        said = "".join(item["message"] for item in document.get("diagnostics", ()))
        outcome = "did not fail" if fails else "failed"
        assert (finished.returncode != 0) == fails, f"`pulumi preview` {outcome}:\n{said}{finished.stderr}"
        return Preview(
            steps=tuple(_step(item) for item in document.get("steps", ()) if "pulumi:Stack::" not in item["urn"]),
            messages=tuple(item["message"] for item in document.get("diagnostics", ())),
        )

    def failing_preview(self, *flags: str) -> str:
        """The output of a preview that must fail."""
        return self.run("preview", *flags, fails=True).output

    def up(self, *flags: str, fails: bool = False) -> Run:
        """An update without preview."""
        return self.run("up", "--yes", "--skip-preview", *flags, fails=fails)

    def interrupted_up(self, after: str) -> Run:
        """An update that gets Ctrl-C once its output holds `after`; it must fail."""
        run = self.disturbed_up(after, lambda process: process.send_signal(signal.SIGINT))
        assert run.returncode != 0, f"the interrupted `pulumi up` did not fail:\n{run.output}"
        return run

    def disturbed_up(self, after: str, disturb: Callable[["subprocess.Popen[str]"], None]) -> Run:
        """An update, and what is to happen once its output holds `after`; its outcome is the caller's to judge."""
        flags = ("--yes", "--skip-preview", "--non-interactive", "--color", "never", "--stack", self.stack)
        with subprocess.Popen(
            ("pulumi", "up", *flags),
            cwd=self.directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            output = ""
            for line in process.stdout:
                if after in line and after not in output:
                    disturb(process)
                output += line
        assert after in output, f"`pulumi up` never said {after!r}:\n{output}"
        return Run("pulumi up", process.returncode, output)

    def refresh(self, *flags: str, fails: bool = False) -> Run:
        """Read the live objects into the state."""
        return self.run("refresh", "--yes", "--skip-preview", *flags, fails=fails)

    def destroy(self, *flags: str, fails: bool = False) -> Run:
        """Delete every resource of the stack."""
        return self.run("destroy", "--yes", "--skip-preview", *flags, fails=fails)

    def export(self) -> dict[str, dict[str, Any]]:
        """The stack's resources by name, secrets in clear, without paths of this machine."""
        document = json.loads(self.run("stack", "export", "--show-secrets", merge_stderr=False).output)
        resources = document["deployment"].get("resources") or ()
        return {
            resource["urn"].split("::", 3)[3]: without_machine_paths(resource)
            for resource in resources
            if not resource["type"].startswith("pulumi:")
        }

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        run = self.run("stack", "output", "--json", "--show-secrets", merge_stderr=False)
        found: dict[str, Any] = json.loads(run.output)
        return found

    def run(self, *arguments: str, fails: bool = False, merge_stderr: bool = True) -> Run:
        """Any command of the CLI; with `fails` it must fail, else it must succeed."""
        finished = self._execute(*arguments, merge_stderr=merge_stderr)
        command = shlex.join(("pulumi", *arguments))
        failed = finished.returncode != 0
        assert failed == fails, (
            f"`{command}` {'failed' if failed else 'did not fail'} ({finished.returncode}):\n"
            f"{finished.stdout}{finished.stderr or ''}"
        )
        return Run(command, finished.returncode, finished.stdout)

    def _execute(self, *arguments: str, merge_stderr: bool) -> subprocess.CompletedProcess[str]:
        selects = arguments[:2] == ("stack", "select")
        flags = ("--non-interactive", "--color", "never", *(() if selects else ("--stack", self.stack)))
        return subprocess.run(
            ("pulumi", *arguments, *flags),
            cwd=self.directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge_stderr else subprocess.PIPE,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )


def without_machine_paths(value: Any) -> Any:
    """A copy of the CLI's JSON without the keys that hold paths of this machine."""
    if isinstance(value, dict):
        return {key: without_machine_paths(item) for key, item in value.items() if key not in _MACHINE_KEYS}
    return [without_machine_paths(item) for item in value] if isinstance(value, list) else value


def _step(item: dict[str, Any]) -> Step:
    _stack, _project, kind, name = item["urn"].removeprefix("urn:pulumi:").split("::", 3)
    return Step(
        name=name,
        type=kind.rpartition("$")[2],
        op=item["op"],
        changes={path: change["kind"] for path, change in (item.get("detailedDiff") or {}).items()},
        replaces=tuple(item.get("replaceReasons") or ()),
        old=without_machine_paths(item.get("oldState") or {}),
        new=without_machine_paths(item.get("newState") or {}),
    )
