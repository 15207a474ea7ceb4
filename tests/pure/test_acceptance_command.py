"""`python -m acceptance dev` as a person sees it, against a stand-in that answers as the references say."""

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from acceptance.__main__ import expected, main
from acceptance.client_credentials import find_token
from acceptance.errors import CheckError
from acceptance.handshake import Expectation
from acceptance.kserve import Tensor
from acceptance.outputs import Endpoint, deployed_endpoint, endpoint_of
from stacks.resolve import ROOT, resolve
from testbed.authority import Authority
from testbed.kserve_stand_in import Arrays, StandInModel, TritonStandIn
from tests.support.config_cases import lay_out_happy
from tests.support.configs import stack_config

ECHO = StandInModel(inputs={"x": [1]}, outputs={"x": [1]}, compute=lambda given: given)


def demo(stack: str | None = "dev") -> TritonStandIn:
    return TritonStandIn(
        stack=stack,
        models={
            expectation.model: stand_in(expectation)
            for expectation in expected(resolve("dev").config.experiment.models)
        },
    )


def stand_in(expectation: Expectation) -> StandInModel:
    reference = expectation.references[""]
    (response,) = reference.responses
    right = {tensor.name: tensor.values for tensor in response}

    def compute(inputs: Arrays) -> Arrays:
        assert inputs
        return right

    return StandInModel(inputs=shapes(reference.inputs), outputs=shapes(response), compute=compute)


def shapes(tensors: tuple[Tensor, ...]) -> dict[str, list[int]]:
    return {tensor.name: list(tensor.values.shape[1:]) for tensor in tensors}


def test_a_right_stack_exits_zero_with_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    triton = demo()
    with triton.serving() as address:
        assert main(["dev", "--endpoint", address]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"stack dev at {address} (plain text)"
    assert lines[2].split() == ["check", "model", "result", "ms", "detail"]
    assert lines[-1] == f"all {3 + 5 * len(triton.models)} right: clients of `demo` use {address}"
    (row,) = [line for line in lines if line.startswith("infer") and "sum_and_difference" in line]
    assert row.endswith("as the reference, largest difference 0")
    assert len({line.index("ok") for line in lines if " ok " in line}) == 1, "results are in one column"


def test_a_missing_model_is_the_first_cause_and_the_next_command_reads_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SONIC_KUBE_CONTEXT", raising=False)
    triton = demo()
    del triton.models["sum_and_difference"]
    with triton.serving() as address:
        assert main(["dev", "--endpoint", address]) == 1
    *_, cause, following = capsys.readouterr().out.splitlines()
    assert cause.startswith(
        "first cause: index sum_and_difference: `sum_and_difference` is not in the repository index"
    )
    assert following == (
        "next: kubectl --context sonic-dev -n sonic-dev logs -l app.kubernetes.io/instance=sonic-demo,"
        "app.kubernetes.io/component=triton --prefix --tail 50"
    )


def test_an_unreachable_stack_is_the_first_cause_and_the_next_command_lists_the_pods(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIC_KUBE_CONTEXT", "mine")
    with demo().serving() as address:
        pass  # and stopped
    assert main(["dev", "--endpoint", address]) == 1
    *_, cause, following = capsys.readouterr().out.splitlines()
    assert cause.startswith("first cause: live: UNAVAILABLE: ")
    assert following == "next: kubectl --context mine -n sonic-dev get pods"


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        ("dev-copy", "is answered by the stack `dev-copy`, not by `dev`: compare what its name resolves to"),
        (
            None,
            "is answered by another release: its answers name no stack, as those of the Envoys of `dev` do: ",
        ),
    ],
)
def test_the_answers_of_another_release_are_never_praised(
    answering: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with demo(answering).serving() as address:
        assert main(["dev", "--endpoint", address]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"{address} {said}")
    assert "right" not in printed.out


def test_a_server_can_be_asked_without_its_envoy() -> None:
    with demo(None).serving() as address:
        assert main(["dev", "--endpoint", address, "--server"]) == 0


def test_a_stack_behind_tls_is_checked_over_tls(tmp_path: Path) -> None:
    authority = Authority("roots")
    shown = authority.sign_host("localhost")
    server = grpc.ssl_server_credentials([(shown.key.encode(), shown.certificate.encode())])
    with demo().serving(server) as address:
        endpoint = address.replace("127.0.0.1", "localhost")
        run = as_a_person(tmp_path, ROOT, authority, "dev", "--endpoint", endpoint, "--tls")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"stack dev at {endpoint} (TLS)")


def as_a_person(
    tmp_path: Path, root: Path, authority: Authority, *words: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Runs the check in a process of its own, where the authority's certificates are trusted."""
    roots = tmp_path / "roots.pem"
    roots.write_text(authority.certificate)
    program = "import sys; from pathlib import Path; from acceptance.__main__ import main; sys.exit(main({}, Path({})))"
    return subprocess.run(
        [sys.executable, "-c", program.format("sys.argv[2:]", "sys.argv[1]"), str(root), *words],
        cwd=ROOT,
        env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_token_is_sent_to_a_stack_that_requires_one(by: str, tmp_path: Path) -> None:
    lay_out_happy("tokens", tmp_path)
    (tmp_path / "token").write_text("a.b.c\n")
    authority = Authority("roots")
    shown = authority.sign_host("localhost")
    triton = TritonStandIn(stack="case", models={"m": ECHO})
    with triton.serving(grpc.ssl_server_credentials([(shown.key.encode(), shown.certificate.encode())])) as address:
        words = ["case", "--endpoint", address.replace("127.0.0.1", "localhost"), "--tls"]
        if by == "file":
            run = as_a_person(tmp_path, tmp_path, authority, *words, "--token-file", str(tmp_path / "token"))
        else:
            run = as_a_person(tmp_path, tmp_path, authority, *words, BEARER_TOKEN="a.b.c")  # noqa: S106
    assert run.returncode == 0, run.stdout + run.stderr
    assert triton.authorization == "Bearer a.b.c"
    assert "a.b.c" not in run.stdout + run.stderr


def test_a_certificate_is_sent_to_a_stack_that_requires_one(tmp_path: Path) -> None:
    lay_out_happy("load-balancer", tmp_path)
    authority = Authority("roots")
    shown, mine = authority.sign_host("localhost"), authority.sign("jane")
    (tmp_path / "cert.pem").write_text(mine.certificate)
    (tmp_path / "key.pem").write_text(mine.key)
    triton = TritonStandIn(stack="case", models={"m": ECHO})
    server = grpc.ssl_server_credentials(
        [(shown.key.encode(), shown.certificate.encode())], authority.certificate.encode(), require_client_auth=True
    )
    with triton.serving(server) as address:
        words = ["case", "--endpoint", address.replace("127.0.0.1", "localhost"), "--tls"]
        files = ["--client-certificate", str(tmp_path / "cert.pem"), "--client-key", str(tmp_path / "key.pem")]
        run = as_a_person(tmp_path, tmp_path, authority, *words, *files)
    assert run.returncode == 0, run.stdout + run.stderr
    assert triton.client_names == ["jane"]


@pytest.mark.parametrize(
    ("case", "words", "sentence"),
    [
        (
            "tokens",
            [],
            "the stack requires a token, which is sent over TLS only, but here:1 is called in plain text: add --tls",
        ),
        (
            "tokens",
            ["--tls"],
            "the stack requires a token and none was found: name a file with --token-file, or set BEARER_TOKEN",
        ),
        (
            "tokens",
            ["--tls", "--token-file", "/no/token"],
            "/no/token cannot be read (No such file or directory): name a file that you can read",
        ),
        (
            "load-balancer",
            ["--tls"],
            "the stack requires a certificate: name it with --client-certificate and its key with --client-key",
        ),
    ],
)
def test_missing_credentials_are_reported_with_the_option_to_set(
    case: str,
    words: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: -1)
    lay_out_happy(case, tmp_path)
    assert main(["case", "--endpoint", "here:1", *words], tmp_path) == 1
    assert capsys.readouterr().err == f"{sentence}\n"


def test_a_token_is_searched_in_the_order_of_the_wlcg_discovery(tmp_path: Path) -> None:
    for name in ("named", "told", "bt_u7"):
        (tmp_path / name).write_text(f"{name}\n")
    told = {"BEARER_TOKEN_FILE": str(tmp_path / "told"), "XDG_RUNTIME_DIR": str(tmp_path)}
    both = told | {"BEARER_TOKEN": " held "}
    assert find_token(tmp_path / "named", both, 7) == "named"
    assert find_token(None, both, 7) == "held"
    assert find_token(None, told, 7) == "told"
    assert find_token(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, 7) == "bt_u7"
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CheckError, match=r"empty is empty, but a token is required"):
        find_token(tmp_path / "empty", {}, 7)


def test_an_unknown_stack_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_expectation_of_a_model_comes_from_the_experiment() -> None:
    image = {"kind": "image", "paths": ["/models"]}
    model = {"name": "tracker", "versions": [2], "stateful": True, "checksums_md5": {"2/model.onnx": "0" * 32}}
    models = stack_config(experiment={"models": {"repository": image, "expected": [model]}}).experiment.models
    assert expected(models) == [
        Expectation(model="tracker", versions=(2,), stateful=True, checksums_md5={"2/model.onnx": "0" * 32})
    ]


def test_the_endpoint_comes_from_the_stack_outputs() -> None:
    outputs = {"grpc_endpoint": "sonic.example.org:443", "grpc_tls": True}
    assert endpoint_of("purdue-cms", outputs) == Endpoint(address="sonic.example.org:443", tls=True)


def test_a_stack_without_outputs_is_not_deployed() -> None:
    with pytest.raises(CheckError) as raised:
        endpoint_of("purdue-cms", {})
    assert str(raised.value) == (
        "stack `purdue-cms` has no output `grpc_endpoint`: deploy it with `pulumi up --stack purdue-cms`"
    )


def test_without_pulumi_the_error_names_the_endpoint_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckError) as raised:
        deployed_endpoint("purdue-cms", tmp_path)
    assert str(raised.value) == (
        "`pulumi` is not on PATH: install it, or give the stack's address with --endpoint HOST:PORT"
    )


def test_the_error_of_pulumi_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
