"""A pod whose Python backend was killed: it answers INTERNAL, and is started again while the others serve."""

import pytest

from acceptance.__main__ import expected
from acceptance.client import TritonClient
from acceptance.handshake import Result
from acceptance.kserve import CallError
from acceptance.servers import ask_each
from devcluster.credentials import KUBECONFIG
from tests.support.chaos import Fault
from tests.support.dev_stack import DevStack, eventually
from tests.support.tools import tool

pytestmark = pytest.mark.live

MODEL = "sum_and_difference"
KILL = f"""
import os, pathlib, signal
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    words = (folder / "cmdline").read_bytes().decode().split("\\0")
    if words[0].endswith("python_backend_stub") and "{MODEL}_0_0" in words:
        os.kill(int(folder.name), signal.SIGKILL)
        print("killed")
"""


@pytest.mark.chaos(Fault.MODEL_STOPS)
def test_a_pod_whose_backend_process_was_killed_is_found_by_the_check_and_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dev = DevStack()
    expectations = expected(dev.config.experiment.models)
    (request,) = [each.references[""].inputs for each in expectations if each.model == MODEL]
    monkeypatch.setenv("PATH", str(tool("kubectl").parent), prepend=":")
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    pod = dev.pods("triton")[0]
    name, address = pod["metadata"]["name"], f"{pod['status']['podIP']}:8001"

    def restarts() -> int:
        found = dev.get("pod", name)["status"]["containerStatuses"]
        return int(found[0]["restartCount"])

    before = restarts()
    with TritonClient(address, tls=False) as server, TritonClient(dev.endpoint, tls=False) as client:

        def word(one: TritonClient) -> str:
            try:
                one.infer(MODEL, "", request)
            except CallError as error:
                return str(error)
            return "OK"

        assert word(server) == "OK"
        killed = dev.kubectl.run("exec", name, f"--namespace={dev.namespace}", "--", "python3", "-c", KILL)
        assert killed.split() == ["killed"]
        eventually(lambda: "INTERNAL: Stub process" in word(server), "it answers wrongly, and counts as ready")
        wrong = [row.detail for row in ask_each(dev.config, expectations) if row.result is Result.FAILED]
        assert [detail.partition(":")[0] for detail in wrong] in ([name], []), "unless it is being started already"

        def started_again() -> bool:
            word(server)
            return restarts() > before

        eventually(started_again, "the kubelet has started it again", timeout_seconds=180)
        eventually(lambda: word(server) == "OK", "it answers right again", timeout_seconds=180)
        assert {word(client) for _ in range(20)} == {"OK"}
