"""The stand-in of interLink's API and plugin over HTTP, as the run of Nov 2026 saw the real ones. Slurm is a script."""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.slurm.edge import server

SLURM = """\
#!/bin/bash
# Stand-in for a command of Slurm: answers with the files of its name, and notes its arguments.
folder={folder}
echo "$(basename "$0") $*" >> "$folder/calls"
cat "$folder/$(basename "$0").stdout"
cat "$folder/$(basename "$0").stderr" >&2 2> /dev/null
"""


class Edge:
    """A server and the folder of its Slurm.

    Args:
        folder: holds the commands, their answers and the jobs.
        port: of the server.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._port = port

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request(method, path, json.dumps(body), {"InterLink-Http-Session": "Test#1"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def says(self, command: str, stdout: str, stderr: str = "") -> None:
        (self.folder / f"{command}.stdout").write_text(stdout)
        (self.folder / f"{command}.stderr").write_text(stderr)

    def fault(self, **faults: Any) -> None:
        (self.folder / "faults.yaml").write_text(yaml.safe_dump(faults))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    for command in ("sbatch", "scancel", "squeue", "sinfo"):
        (tmp_path / command).write_text(SLURM.format(folder=tmp_path))
        (tmp_path / command).chmod(0o755)
    slurm = {
        f"{command.capitalize()}Path": f"{tmp_path}/{command}" for command in ("sbatch", "scancel", "squeue", "sinfo")
    }
    plugin = {"BashPath": "/bin/bash", "DataRootFolder": f"{tmp_path}/jobs/", "ContainerRuntime": "singularity"}
    (tmp_path / "SlurmConfig.yaml").write_text(yaml.safe_dump({**slurm, **plugin, "SingularityPath": "/apptainer"}))
    api = {"InterlinkAddress": "http://127.0.0.1", "InterlinkPort": "0"}
    (tmp_path / "InterLinkConfig.yaml").write_text(yaml.safe_dump(api))
    serving: ThreadingHTTPServer = server(tmp_path)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    running = Edge(tmp_path, serving.server_port)
    running.says("sbatch", "Submitted batch job 4\n")
    running.says("scancel", "")
    running.says("squeue", "0                   R\n")
    yield running
    serving.shutdown()
    serving.server_close()


def pod(uid: str) -> dict[str, Any]:
    container = {"name": "triton", "image": "/image", "command": ["true"]}
    return {"metadata": {"name": f"t-{uid}", "namespace": "ns", "uid": uid}, "spec": {"containers": [container]}}


def create(edge: Edge, uid: str = "a") -> tuple[int, str]:
    return edge.call("POST", "/create", {"pod": pod(uid), "configmaps": [], "secrets": []})


def test_a_pod_becomes_a_job_with_a_folder(edge: Edge) -> None:
    status, text = create(edge)
    assert (status, json.loads(text)) == (200, {"PodUID": "a", "PodJID": "4"})
    assert (edge.folder / "jobs" / "ns-a" / "JobID.jid").read_text() == "4"
    assert f"sbatch {edge.folder}/jobs/ns-a/job.slurm" in (edge.folder / "calls").read_text()


def test_any_word_on_standard_error_is_a_failure_and_the_job_may_be_queued(edge: Edge) -> None:
    """Trap 7."""
    edge.says("sbatch", "Submitted batch job 4\n", "sbatch: warning: can't honor --ntasks-per-node\n")
    status, text = create(edge)
    assert status == 504
    assert text.startswith("HTTP InterLink session Test#1:  call exit status: 500. Body: sbatch: warning")
    assert not (edge.folder / "jobs" / "ns-a").exists()
    assert edge.call("DELETE", "/delete", pod("a"))[0] == 500


def test_one_real_answer_serves_all_pods_for_a_while(edge: Edge) -> None:
    """N2: who asks second gets null, and later its own old state."""
    create(edge, "a")
    create(edge, "b")
    (first,) = json.loads(edge.call("GET", "/status", [pod("a")])[1])
    assert (first["UID"], list(first["containers"][0]["state"])) == ("a", ["running"])
    assert edge.call("GET", "/status", [pod("b")]) == (200, "null")


def test_without_pods_the_api_answers_what_it_knows(edge: Edge) -> None:
    assert edge.call("GET", "/status") == (200, "null")
    create(edge)
    edge.call("GET", "/status", [pod("a")])
    (state,) = json.loads(edge.call("GET", "/status", [])[1])
    assert state["UID"] == "a"


def test_without_the_lag_each_pod_has_its_own_state(edge: Edge) -> None:
    edge.fault(status_cache_seconds=0)
    create(edge, "a")
    create(edge, "b")
    for uid in "ab":
        (state,) = json.loads(edge.call("GET", "/status", [pod(uid)])[1])
        assert state["UID"] == uid


def test_a_state_can_be_forced(edge: Edge) -> None:
    """Trap 8: `CF` reads as failed."""
    edge.fault(status_cache_seconds=0, state="CF")
    create(edge)
    (state,) = json.loads(edge.call("GET", "/status", [pod("a")])[1])
    assert state["containers"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_deleted_pod_loses_its_folder_at_once(edge: Edge) -> None:
    create(edge)
    assert edge.call("DELETE", "/delete", pod("a")) == (200, "All containers for submitted Pods have been deleted")
    assert not (edge.folder / "jobs" / "ns-a").exists()
    assert "scancel 4" in (edge.folder / "calls").read_text()


def test_a_deletion_that_fails_leaves_the_job(edge: Edge) -> None:
    """N3."""
    create(edge)
    edge.fault(delete_fails=True)
    assert edge.call("DELETE", "/delete", pod("a"))[0] == 500
    assert "scancel" not in (edge.folder / "calls").read_text()


def test_a_ping_tells_what_is_free(edge: Edge) -> None:
    """N9."""
    node = {"cpus": 64, "alloc_cpus": 10, "real_memory": 1000, "alloc_memory": 100, "free_memory": 5}
    edge.says("sinfo", json.dumps({"nodes": [node, node]}))
    status, text = edge.call("POST", "/pinglink")
    assert (status, json.loads(text)) == (200, {"status": "ok", "resources": {"cpu": "108", "memory": "1800Mi"}})


def test_a_ping_can_be_made_to_fail(edge: Edge) -> None:
    edge.fault(ping_fails=True)
    assert edge.call("POST", "/pinglink") == (503, "503")


def test_logs_begin_with_the_jobs_own_output(edge: Edge) -> None:
    create(edge)
    (edge.folder / "jobs" / "ns-a" / "job.out").write_text("job 1\njob 2\n")
    (edge.folder / "jobs" / "ns-a" / "run-triton.out").write_text("triton\n")
    request = {"Namespace": "ns", "PodUID": "a", "ContainerName": "triton", "Opts": {"Tail": 2}}
    assert edge.call("GET", "/getLogs", request) == (200, "job 2\ntriton\n")


def test_a_restarted_plugin_knows_its_jobs(edge: Edge) -> None:
    create(edge)
    again = server(edge.folder)
    threading.Thread(target=again.serve_forever, daemon=True).start()
    (state,) = json.loads(Edge(edge.folder, again.server_port).call("GET", "/status", [pod("a")])[1])
    again.shutdown()
    again.server_close()
    assert state["containers"][0]["state"] == {"running": {"startedAt": None}}


def test_a_key_that_the_real_plugin_does_not_know_is_refused(edge: Edge) -> None:
    file = edge.folder / "SlurmConfig.yaml"
    file.write_text(file.read_text() + "SbatchPaht: /x\n")
    with pytest.raises(ValueError, match="SbatchPaht"):
        server(edge.folder)
