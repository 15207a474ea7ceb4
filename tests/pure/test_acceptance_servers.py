"""The check asks each server by itself, through a stand-in for kubectl that forwards to stand-ins for Triton."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from acceptance import __main__ as command
from acceptance.handshake import Expectation, Result, Row
from acceptance.outputs import Endpoint
from acceptance.servers import GRPC_PORT, ask_each
from components.triton import server
from testbed.kserve_stand_in import StandInModel, TritonStandIn
from tests.support.config_cases import STACK, lay_out_happy
from tests.support.configs import stack_config
from tests.support.kubeconfigs import write_kubeconfig

KUBECTL = f"""#!{sys.executable}
import json, sys, time
given = json.loads(open({{file!r}}).read())
words = [word for word in sys.argv[1:] if not word.startswith("--")]
if words[0] == "get":
    sys.stderr.write(given.get("refuses", ""))
    print(json.dumps({{{{"items": given["pods"]}}}}))
    sys.exit(1 if "refuses" in given else 0)
address = given["addresses"][words[1].removeprefix("pod/")]
print(f"Forwarding from {{{{address}}}} -> 8001" if address else "error: unable to forward", flush=True)
time.sleep(60 if address else 0)
"""
ECHO = Expectation(model="m", probe="zeros")
Rows = Callable[..., list[Row]]


def pod(name: str, *, ready: bool = True, phase: str = "Running", **metadata: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": name, **metadata}, "status": {"phase": phase, "conditions": conditions}}


def triton() -> TritonStandIn:
    return TritonStandIn(models={"m": StandInModel(inputs={"x": [1]}, outputs={"x": [1]}, compute=lambda given: given)})


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a stand-in for kubectl on PATH that knows pods and addresses."""
    write_kubeconfig(tmp_path / "kubeconfig", stack_config().site.access.context)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("SONIC_KUBE_CONTEXT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "kubectl").write_text(KUBECTL.format(file=str(tmp_path / "given.json")))
    (tmp_path / "kubectl").chmod(0o755)

    def know(**given: Any) -> None:
        (tmp_path / "given.json").write_text(json.dumps(given))

    return know


def test_a_server_that_answers_wrongly_fails_among_right_ones(kubectl: Callable[..., None], started: ExitStack) -> None:
    right, wrong = triton(), triton()
    wrong.failures["ModelInfer"] = (grpc.StatusCode.INTERNAL, "Stub process 'm_0' is not healthy.")
    addresses = {name: started.enter_context(each.serving()) for name, each in (("a", right), ("b", wrong))}
    kubectl(
        pods=[
            pod("b"),
            pod("a"),
            pod("c", ready=False),
            pod("d", phase="Pending"),
            pod("e", deletionTimestamp="2026-11-27T00:00:00Z"),
        ],
        addresses=addresses,
    )
    rows = list(ask_each(stack_config(), [ECHO]))
    assert [(row.result, row.detail) for row in rows] == [
        (Result.OK, "a: 1 answers right, 0 models ready and sent no request"),
        (Result.FAILED, "b: infer m: INTERNAL: Stub process 'm_0' is not healthy."),
        (Result.NOT_TRIED, "c is not ready"),
    ]


CONTROLLED: dict[str, dict[str, Any]] = {
    "site": {"model_control": [{"namespace": "managers", "pod_labels": {"app": "model-manager"}}]},
    "experiment": {
        "server": {
            "image": "example.org/triton:24.10",
            "cpu_cores": 2.0,
            "memory_gib": 4.0,
            "flags": {"strict_readiness": False},
        }
    },
}


def test_a_server_without_a_model_that_was_loaded_on_others_is_named(
    kubectl: Callable[..., None], started: ExitStack
) -> None:
    old, new = triton(), triton()
    old.models["extra"] = StandInModel(inputs={"x": [1]}, outputs={"x": [1]}, compute=lambda given: given)
    new.models["extra"] = StandInModel(inputs={}, outputs={}, compute=lambda given: given, state="")
    addresses = {name: started.enter_context(each.serving()) for name, each in (("a", old), ("b", new))}
    kubectl(pods=[pod("a"), pod("b")], addresses=addresses)
    first, second, row = ask_each(stack_config(**CONTROLLED), [ECHO])
    assert first.result is second.result is Result.OK
    assert row.result is Result.FAILED
    assert row.detail == (
        "b lacks extra version 1, which other servers have loaded, so that some requests fail: load or unload it on "
        "each server"
    )
    new.models["extra"].state = "READY"
    assert [row.result for row in ask_each(stack_config(**CONTROLLED), [ECHO])] == [Result.OK] * 3
    assert len(list(ask_each(stack_config(), [ECHO]))) == 2, "the servers of another stack are alike by their flags"


def test_a_port_that_is_not_forwarded_is_reported(kubectl: Callable[..., None]) -> None:
    kubectl(pods=[pod("a")], addresses={"a": ""})
    (row,) = ask_each(stack_config(), [ECHO])
    assert row.detail == (
        "a: no port is forwarded to it (error: unable to forward): get the right to `create` `pods/portforward`, or "
        "ask one address alone with --endpoint HOST:PORT"
    )


def test_a_refused_list_is_reported_with_the_words_of_kubectl(kubectl: Callable[..., None]) -> None:
    kubectl(pods=[], refuses="Error from server (Forbidden): pods is forbidden\n")
    (row,) = ask_each(stack_config(), [ECHO])
    assert row.result is Result.FAILED
    assert row.detail.startswith("kubectl cannot list the servers (Error from server (Forbidden): pods is forbidden): ")


def test_a_stack_without_servers_fails(kubectl: Callable[..., None]) -> None:
    kubectl(pods=[])
    (row,) = ask_each(stack_config(), [ECHO])
    assert row.result is Result.FAILED
    assert row.detail.startswith("no pod with the labels app.kubernetes.io/instance=")


def test_without_kubectl_the_row_names_the_way_out(
    kubectl: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(pods=[])
    monkeypatch.setenv("PATH", "/nonexistent")
    (row,) = ask_each(stack_config(), [ECHO])
    assert row.detail == (
        "`kubectl` is not on PATH, and each server is asked through it: install it, or ask one address alone with "
        "--endpoint HOST:PORT"
    )


def test_a_kubeconfig_without_the_context_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    (row,) = ask_each(stack_config(), [ECHO])
    assert row.result is Result.FAILED
    assert "kubeconfig" in row.detail


def test_a_deployed_stack_with_one_wrong_server_fails_though_its_address_answers_right(
    kubectl: Callable[..., None],
    started: ExitStack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right, wrong = triton(), triton()
    wrong.failures["ModelInfer"] = (grpc.StatusCode.INTERNAL, "CUDA error: an illegal memory access")
    address, broken = started.enter_context(right.serving()), started.enter_context(wrong.serving())
    kubectl(pods=[pod("a"), pod("b")], addresses={"a": address, "b": broken})
    lay_out_happy("minimal", tmp_path)
    experiment = tmp_path / "stacks/experiments/tiny.yaml"
    experiment.write_text(experiment.read_text().replace("name: m", "name: m, probe: zeros"))
    monkeypatch.setattr("acceptance.arguments.deployed_endpoint", lambda *_: Endpoint(address=address, tls=False))
    write_kubeconfig(tmp_path / "kubeconfig", "here")
    # The address is a server's own, and only Envoy names its stack.
    monkeypatch.setattr(command, "refuse_another", lambda *_: None)
    assert command.main([STACK], tmp_path) == 1
    output = capsys.readouterr().out
    assert "first cause: server: b: infer m: INTERNAL: CUDA error: an illegal memory access" in output


def test_the_forwarded_port_is_that_of_the_servers() -> None:
    assert GRPC_PORT == server.GRPC_PORT


def test_a_server_in_slurm_is_asked_through_its_tunnel_pod(kubectl: Callable[..., None], started: ExitStack) -> None:
    virtual, tunnel = pod("virtual"), pod("tunnel")
    virtual["metadata"]["labels"] = {"app.kubernetes.io/component": "slurm-job"}
    kubectl(pods=[virtual, tunnel], addresses={"tunnel": started.enter_context(triton().serving())})
    rows = list(ask_each(stack_config(), [ECHO]))
    assert [row.detail.partition(":")[0] for row in rows] == ["tunnel"]
    assert [row.result for row in rows] == [Result.OK]
