"""`python -m acceptance dev` against real Triton servers behind real Envoy."""

import os
import subprocess
import sys

import pytest

from acceptance.__main__ import main
from acceptance.client import TritonClient
from acceptance.kserve import CallError
from devcluster.environment import variables
from devcluster.toolchain import Toolchain
from stacks.resolve import ROOT
from tests.support.dev_stack import DevStack

pytestmark = pytest.mark.live


@pytest.fixture
def dev() -> DevStack:
    return DevStack()


def test_every_row_is_right_at_the_address_that_pulumi_puts_out(dev: DevStack) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "acceptance", "dev"],
        cwd=ROOT,
        env={**os.environ, **variables(Toolchain())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"stack dev at {dev.endpoint} (plain text)")
    assert run.stdout.splitlines()[-1].endswith(f"clients of `demo` use {dev.endpoint}")


def test_a_server_that_is_asked_without_the_proxy_is_right_too(dev: DevStack) -> None:
    address = dev.pods("triton")[0]["status"]["podIP"]
    assert main(["dev", "--endpoint", f"{address}:8001", "--server"]) == 0


def test_a_port_that_speaks_no_grpc_is_told(dev: DevStack, capsys: pytest.CaptureFixture[str]) -> None:
    address = dev.pods("triton")[0]["status"]["podIP"]
    assert main(["dev", "--endpoint", f"{address}:8002"]) == 1
    assert "first cause: live: " in capsys.readouterr().out


def test_a_model_that_triton_does_not_have_is_an_error_of_the_call(dev: DevStack) -> None:
    with TritonClient(dev.endpoint, tls=False) as client, pytest.raises(CallError, match="unknown model"):
        client.model_config("no_such_model", "")
