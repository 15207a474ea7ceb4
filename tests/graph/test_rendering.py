"""`python -m stacks render`: manifests of a stack without a cluster, a plugin or Pulumi's state."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from rendering.manifests import manifests
from stacks.__main__ import main
from stacks.resolve import resolve
from tests.support.recorder import AUTO_NAME_SUFFIX
from tests.support.stacks import STACKS, recorded

_HASH = -len(AUTO_NAME_SUFFIX)


def read(directory: Path) -> list[dict[str, object]]:
    return [yaml.safe_load(file.read_text()) for file in sorted(directory.iterdir())]


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_renders_to_what_it_deploys(stack: str) -> None:
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in recorded(stack).manifests()}
    hidden = {(kind, name[:_HASH] if name.endswith(AUTO_NAME_SUFFIX) else name) for kind, name in names}
    rendered = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests(resolve(stack).config)}
    autonamed = {"ConfigMap", "Secret"}
    assert {(kind, name[:_HASH] if kind in autonamed else name) for kind, name in rendered} == hidden


def test_the_command_needs_no_kubeconfig_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    assert main(["render", "dev", str(tmp_path / "out")]) == 0
    said = capfd.readouterr().out
    assert "placeholders instead of s3-access-key, s3-secret-key" in said
    assert "kubectl label node" in said
    found = read(tmp_path / "out")
    assert found[0]["kind"] == "Namespace"
    (secret,) = (manifest for manifest in found if manifest["kind"] == "Secret")
    assert secret["stringData"] == {
        "access-key-id": "<value of the secret s3-access-key>",
        "secret-access-key": "<value of the secret s3-secret-key>",
    }


def test_integers_and_texts_are_what_kubernetes_takes(tmp_path: Path) -> None:
    main(["render", "dev", str(tmp_path / "out")])
    text = (tmp_path / "out/1-service-sonic-demo-envoy.sonic-dev.yaml").read_text()
    assert "nodePort: 30801\n" in text


@pytest.mark.parametrize(
    ("stack", "directory", "environ", "told"),
    [
        ("devv", "out", {}, "there is no stack `devv`"),
        ("dev", "out", {"SONIC_ENVOY": "/missing"}, "name another in SONIC_ENVOY"),
        ("dev", "file/out", {}, "file/out: cannot be written (Not a directory): name another folder"),
    ],
)
def test_a_failure_is_one_sentence_and_writes_nothing(
    stack: str, directory: str, environ: Mapping[str, str], told: str, tmp_path: Path
) -> None:
    """In a process of its own: event loops of other tests complain on standard error when they are collected."""
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "stacks", "render", stack, str(tmp_path / directory)]
    run = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


def test_no_event_loop_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does may end a command with a traceback, when the interpreter collects it."""
    made: list[asyncio.AbstractEventLoop] = []
    policy = asyncio.get_event_loop_policy()
    make = policy.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(policy, "new_event_loop", noted)
    manifests(resolve("dev").config)
    assert made
    assert [loop for loop in made if not loop.is_closed()] == []
