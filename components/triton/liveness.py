"""Liveness of a Triton server, which the kubelet runs in its container: `python3 liveness.py FOLDER`.

A server that does not answer is not alive. Nor is one with a model that has stopped working, while server and model
count as ready: clients' requests to it fail, none succeeds, and one of two facts says that the requests are not to
blame. A process of its Python backend is gone, or a request that is known to be right fails too, which this model has
answered since the server's start. After `LOOKS` such looks in a row the server is told to stop: it is no longer ready,
finishes the requests in execution, and the kubelet starts it again.

It runs on the image's own Python, 3.8 or later.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

URLS = ("http://127.0.0.1:8000", "http://[::1]:8000")
"""On a cluster of IPv6 Triton's HTTP listens on IPv6 alone."""
PROCESSES = Path("/proc")
TESTS_FILE = "tests.json"
"""Model -> version (empty: the server's choice) -> the file of a right request and the length of its JSON header."""
STATE_FILE = Path("/tmp/sonic-liveness.json")  # noqa: S108  the scratch volume
LOOKS = 3
"""Looks in a row that must find a model broken. The kubelet looks every 10 s."""
ANSWER_SECONDS = 4
TEST_SECONDS = 10
"""Time that the server may take for a right request; a slow one proves nothing."""


class Server:
    """The server of this container.

    Args:
        url: of its HTTP port.
        processes: folder with its processes.
    """

    def __init__(self, url: str, processes: Path = PROCESSES) -> None:
        self.url = url
        """Of its HTTP port."""
        # A proxy of the container's environment is for what is outside.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._processes = processes

    def live(self) -> bool:
        """Return True if it answers that it is live."""
        return self._status("/v2/health/live", ANSWER_SECONDS) == 200

    def statistics(self) -> list[Mapping[str, Any]]:
        """Return the statistics of every version of every model; none if it does not tell."""
        try:
            with self._opener.open(f"{self.url}/v2/models/stats", timeout=ANSWER_SECONDS) as answer:
                found: list[Mapping[str, Any]] = json.load(answer)["model_stats"]
        except (OSError, ValueError, KeyError):
            return []
        return found

    def fails(self, model: str, version: str, body: bytes, header_bytes: int) -> bool:
        """Return True if it answers a right request with an error of its own, HTTP 500.

        It answers 400 and 404 to a request that it takes for wrong, and 503 with a full queue.
        """
        path = f"/v2/models/{model}/versions/{version}/infer" if version else f"/v2/models/{model}/infer"
        headers = {"Inference-Header-Content-Length": str(header_bytes), "Content-Type": "application/octet-stream"}
        return self._status(path, TEST_SECONDS, body, headers) == 500

    def backend_processes(self, models: list[str]) -> dict[str, int]:
        """Return the number of processes of the Python backend by model; each names its instance, `<model>_0_0`."""
        counts = dict.fromkeys(models, 0)
        for arguments in self._command_lines():
            if Path(arguments[0]).name == "triton_python_backend_stub":
                owners = [
                    model
                    for model in models
                    if any(re.fullmatch(re.escape(model) + "(_[0-9]+)+", argument) for argument in arguments[1:])
                ]
                if owners:
                    counts[max(owners, key=len)] += 1
        return counts

    def _command_lines(self) -> Iterator[list[str]]:
        for folder in self._processes.glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it has ended meanwhile
                continue
            if words[0]:
                yield words

    def _status(
        self, path: str, seconds: float, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Return the HTTP status of an answer; 0 without one."""
        request = urllib.request.Request(f"{self.url}{path}", data=body, headers=dict(headers or {}))  # noqa: S310
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)
        except OSError:
            return 0


def look(
    server: Server, before: Mapping[str, Mapping[str, int]], folder: Path
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Compare the models with the last look.

    Args:
        server: to look at.
        before: what the last look has returned.
        folder: of the right requests.

    Returns:
        For each model the successes, failures, processes of the backend, and looks in a row that found it broken; and a
        sentence on each that is.
    """
    statistics = server.statistics()
    processes = server.backend_processes(sorted({entry["name"] for entry in statistics}))
    found: dict[str, dict[str, int]] = {}
    broken = []
    for entry in statistics:
        model, version = entry["name"], entry["version"]
        counts = {
            "success": entry["inference_stats"]["success"]["count"],
            "fail": entry["inference_stats"]["fail"]["count"],
            "processes": processes[model],
            "looks": 0,
        }
        last = before.get(f"{model}/{version}", counts)
        found[f"{model}/{version}"] = counts
        if counts["success"] < last["success"] or counts["fail"] < last["fail"]:
            continue  # the server or the model has been started again
        counts["processes"] = max(counts["processes"], last["processes"])
        reason = None
        if counts["fail"] > last["fail"]:
            if processes[model] < counts["processes"]:
                reason = f"{counts['processes'] - processes[model]} of {counts['processes']} backend processes are gone"
            elif (
                counts["success"]
                and counts["success"] == last["success"]
                and _right_request_fails(server, model, version, folder)
            ):
                reason = "a request that is known to be right fails too"
        elif counts["success"] == last["success"]:
            counts["looks"] = last["looks"]  # nobody has called it
        if reason is not None:
            counts["looks"] = last["looks"] + 1
        if reason is not None and counts["looks"] >= LOOKS:
            broken.append(f"the model {model}, version {version}, has stopped working: {reason}")
    return found, broken


def _right_request_fails(server: Server, model: str, version: str, folder: Path) -> bool:
    try:
        tests = json.loads((folder / TESTS_FILE).read_text(encoding="utf-8")).get(model, {})
    except (OSError, ValueError):
        return False
    asked = version if version in tests else ""
    if asked not in tests:
        return False
    body = (folder / tests[asked]["file"]).read_bytes()
    return server.fails(model, asked, body, tests[asked]["header_bytes"])


def main(
    folder: Path,
    urls: Sequence[str] = URLS,
    processes: Path = PROCESSES,
    state_file: Path = STATE_FILE,
    process_id: int = 1,
) -> int:
    """Look once, and return the exit status: 0 if the server is alive. Stop the process if a model is broken."""
    server = next((each for each in (Server(url, processes) for url in urls) if each.live()), None)
    if server is None:
        print("the server does not answer")
        return 1
    try:
        before: dict[str, dict[str, int]] = json.loads(state_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    found, broken = look(server, before, folder)
    with contextlib.suppress(OSError):  # without room to write, each look is the first
        state_file.write_text(json.dumps({} if broken else found), encoding="utf-8")
    if not broken:
        return 0
    sentence = f"{'; '.join(broken)}: this server stops, to be started again"
    print(sentence)
    with contextlib.suppress(OSError), Path(f"/proc/{process_id}/fd/2").open("a", encoding="utf-8") as log:
        log.write(f"liveness: {sentence}\n")
    os.kill(process_id, signal.SIGTERM)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
