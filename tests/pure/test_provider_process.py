"""The plugin as a process: how it starts, answers and ends."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

PLUGIN = Path(__file__).parents[2] / "devcluster" / "provider" / "bin" / "pulumi-resource-kubernetes"
NO_ENGINE = "127.0.0.1:1"


@contextmanager
def running(*command: str) -> Iterator[tuple[subprocess.Popen[str], provider_pb2_grpc.ResourceProviderStub]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield process, provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()


def test_it_answers_as_the_plugin_of_the_sdk_and_ends_when_told() -> None:
    with running(str(PLUGIN), "-v=3", NO_ENGINE) as (process, stub):
        info = stub.GetPluginInfo(empty_pb2.Empty())
        process.terminate()

        assert info.version.startswith("4.")
        assert process.wait(timeout=30) == 0


def test_what_it_lacks_it_says() -> None:
    with running(str(PLUGIN), NO_ENGINE) as (_process, stub):
        with pytest.raises(grpc.RpcError) as handshake:
            stub.Handshake(provider_pb2.ProviderHandshakeRequest())
        with pytest.raises(grpc.RpcError) as invoke:
            stub.Invoke(provider_pb2.InvokeRequest(tok="kubernetes:helm:template"))

    assert handshake.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert invoke.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "no function kubernetes:helm:template: install the official plugin" in str(invoke.value.details())


def test_configure_promises_what_the_official_plugin_does(tmp_path: Path) -> None:
    request = provider_pb2.ConfigureRequest(variables={"kubernetes:config:kubeconfig": str(tmp_path / "missing")})

    with running(str(PLUGIN), NO_ENGINE) as (_process, stub):
        answer = stub.Configure(request)

    assert (answer.acceptSecrets, answer.supportsPreview, answer.supports_autonaming_configuration) == (True,) * 3
    assert (answer.acceptResources, answer.acceptOutputs) == (False, False)


def test_it_ends_when_the_engine_is_gone() -> None:
    engine = (
        "import subprocess\n"
        f"plugin = subprocess.Popen([{str(PLUGIN)!r}, {NO_ENGINE!r}], stdout=subprocess.PIPE)\n"
        "plugin.stdout.readline()\n"
        "print(plugin.pid)\n"
    )
    started = subprocess.run([sys.executable, "-c", engine], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    plugin = int(started.stdout)

    deadline = time.monotonic() + 60
    while Path(f"/proc/{plugin}/cmdline").exists() and b"devcluster" in Path(f"/proc/{plugin}/cmdline").read_bytes():
        assert time.monotonic() < deadline, f"the plugin {plugin} outlived the engine that started it"
        time.sleep(0.2)


def test_a_person_who_starts_it_is_told_what_it_is() -> None:
    refused = subprocess.run([PLUGIN], capture_output=True, text=True, check=False, env=os.environ, timeout=60)

    assert refused.returncode == 1
    assert "this is a Pulumi plugin, started by the Pulumi engine" in refused.stderr
