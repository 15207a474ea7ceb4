"""`python -m checks dev` as a person sees it, against a stand-in that answers as the references say."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks.__main__ import expected, main
from checks.errors import CheckError
from checks.handshake import Expectation
from checks.kserve import Tensor
from checks.outputs import Endpoint, deployed_endpoint, endpoint_of
from stacks.resolve import ROOT, resolve
from tests.support.triton_standin import Arrays, StandInModel, TritonStandIn


def demo() -> TritonStandIn:
    return TritonStandIn(
        models={
            expectation.model: stand_in(expectation)
            for expectation in expected(resolve("dev").config.experiment.models)
        }
    )


def stand_in(expectation: Expectation) -> StandInModel:
    assert expectation.reference is not None
    right = {tensor.name: tensor.values for tensor in expectation.reference.outputs}

    def compute(inputs: Arrays) -> Arrays:
        assert inputs
        return right

    return StandInModel(
        inputs=shapes(expectation.reference.inputs), outputs=shapes(expectation.reference.outputs), compute=compute
    )


def shapes(tensors: tuple[Tensor, ...]) -> dict[str, list[int]]:
    return {tensor.name: list(tensor.values.shape[1:]) for tensor in tensors}


def test_a_right_stack(capsys: pytest.CaptureFixture[str]) -> None:
    triton = demo()
    with triton.serving() as address:
        assert main(["dev", "--endpoint", address]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"stack dev at {address} (plain text)"
    assert lines[2].split() == ["check", "model", "result", "ms", "detail"]
    assert lines[-1] == f"all {3 + 5 * len(triton.models)} right: clients of `demo` use {address}"
    (row,) = [line for line in lines if line.startswith("infer") and "sum_and_difference" in line]
    assert row.endswith("as the reference, largest difference 0")
    assert len({line.index("ok") for line in lines if " ok " in line}) == 1, "results stand in one column"


def test_a_broken_model_is_the_first_cause_and_its_servers_log_comes_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SONIC_KUBE_CONTEXT", raising=False)
    triton = demo()
    del triton.models["sum_and_difference"]
    with triton.serving() as address:
        assert main(["dev", "--endpoint", address]) == 1
    *_, cause, following = capsys.readouterr().out.splitlines()
    assert cause.startswith("first cause: index sum_and_difference: `sum_and_difference` is not in the index")
    assert following == (
        "next: kubectl --context sonic-dev -n sonic-dev logs -l app.kubernetes.io/instance=sonic-demo,"
        "app.kubernetes.io/component=triton --prefix --tail 50"
    )


def test_nobody_there_is_the_first_cause_and_the_pods_come_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIC_KUBE_CONTEXT", "mine")
    with demo().serving() as address:
        pass  # and stopped
    assert main(["dev", "--endpoint", address]) == 1
    *_, cause, following = capsys.readouterr().out.splitlines()
    assert cause.startswith("first cause: live: UNAVAILABLE: ")
    assert following == "next: kubectl --context mine -n sonic-dev get pods"


def test_a_stack_behind_tls(tmp_path: Path) -> None:
    key, certificate = self_signed("localhost")
    (tmp_path / "roots.pem").write_bytes(certificate)
    with demo().serving(grpc.ssl_server_credentials([(key, certificate)])) as address:
        endpoint = address.replace("127.0.0.1", "localhost")
        run = subprocess.run(
            [sys.executable, "-m", "checks", "dev", "--endpoint", endpoint, "--tls"],
            cwd=ROOT,
            env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "roots.pem")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"stack dev at {endpoint} (TLS)")


def self_signed(host: str) -> tuple[bytes, bytes]:
    """A private key and a certificate for a host, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, certificate.public_bytes(pem)


def test_an_unknown_stack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_outputs_say_where_the_stack_is() -> None:
    outputs = {"grpc_endpoint": "sonic.example.org:443", "grpc_tls": True}
    assert endpoint_of("purdue-cms", outputs) == Endpoint(address="sonic.example.org:443", tls=True)


def test_a_stack_without_outputs_is_not_deployed() -> None:
    with pytest.raises(CheckError) as raised:
        endpoint_of("purdue-cms", {})
    assert str(raised.value) == (
        "stack `purdue-cms` has no output `grpc_endpoint`: deploy it with `pulumi up --stack purdue-cms`"
    )


def test_without_pulumi_the_endpoint_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckError) as raised:
        deployed_endpoint("purdue-cms", tmp_path)
    assert str(raised.value) == (
        "`pulumi` is not on PATH: install it, or say where the stack is reached: --endpoint HOST:PORT"
    )


def test_what_pulumi_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho \"error: no stack named 'purdue-cms' found\" >&2\nexit 255\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(CheckError) as raised:
        deployed_endpoint("purdue-cms", tmp_path)
    assert str(raised.value) == (
        "Pulumi gives no outputs of stack `purdue-cms` (no stack named 'purdue-cms' found): "
        "deploy it with `pulumi up --stack purdue-cms`"
    )
