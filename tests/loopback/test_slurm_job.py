"""The script of a Slurm job, run by bash: addresses, probes, drain and exit codes. Slurm itself is a stand-in here."""

import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.slurm_job import Job

SERVE = """\
workingPath=$(dirname "$0")
(TRITONSERVER) &
wait $!
echo $? >"$workingPath/run-triton.status"
until [ -e "$workingPath/run-triton.status" ]; do sleep 2; done
exit "$(cat "$workingPath/run-triton.status")"
"""
"""Stand-in of job.sh: like the plugin's, it waits for a file of its folder at the end."""
PROBE = 'curl -f -s http://localhost:8000/v2/health/ready >>"$EVENTS"; echo >>"$EVENTS"; sleep 600\n'
"""Stand-in of job.sh: a probe of the plugin's, by the real curl."""
IDLE = 'echo "address $SONIC_ADDRESS" >>"$EVENTS"; sleep 600\n'
STARTED = ("up 8001", "up 8000 8002")


def serves(events: list[str]) -> bool:
    return {*STARTED} <= {*events} and any(event.startswith("server: 127.") for event in events)


def has_an_address(events: list[str]) -> bool:
    return any(event.startswith("address") for event in events)


def test_a_cancelled_job_leaves_the_balancer_then_finishes_then_stops(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=SERVE) as job:
        job.wait_for(serves)
        begun = len(job.events)
        job.cancel()
        assert job.exit_code() == 0, job.output
        job.wait_for(lambda events: "down 8001" in events)
        assert job.events[begun:] == ["down 8000 8002", "server: TERM", "server: request done", "down 8001"]


def test_a_drain_ends_also_when_interlink_has_removed_the_jobs_folder(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=SERVE) as job:
        job.wait_for(serves)
        shutil.rmtree(job.folder)
        job.cancel()
        assert job.exit_code() == 0, job.output
        assert "server: request done" in job.events


def test_a_second_signal_does_not_cut_the_drain_short(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=SERVE) as job:
        job.wait_for(serves)
        job.cancel()
        job.wait_for(lambda events: "down 8000 8002" in events)
        job.cancel()
        assert job.exit_code() == 0, job.output
        assert job.events.count("server: TERM") == 1
        assert "server: request done" in job.events


def test_a_job_that_is_cancelled_before_its_server_runs_ends_at_once(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=IDLE, pre_stop_seconds=0) as job:
        job.wait_for(has_an_address)
        job.cancel()
        assert job.exit_code() == 0, job.output


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_job_ends_as_its_server_does(code: int, tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=f"exit {code}\n") as job:
        assert job.exit_code() == code, job.output
        assert "last line" not in job.events
        assert list(job.temporary.iterdir()) == []


def test_a_job_that_fails_is_not_replaced_at_once(tmp_path: Path) -> None:
    """Each of its successors would leave a tunnel pod behind."""
    with Job(tmp_path, job_id=7, job_sh="exit 255\n", failed_job_seconds=3) as job:
        job.wait_for(lambda _: "failed with exit code 255" in job.output)
        assert job.process.poll() is None
        assert job.exit_code() == 255, job.output


def test_a_failed_job_that_waits_ends_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh="exit 255\n", failed_job_seconds=3600) as job:
        job.wait_for(lambda _: "failed with exit code 255" in job.output)
        job.cancel()
        assert job.exit_code() == 255, job.output


def test_the_server_has_the_address_of_its_job_in_every_runtime(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=70000, job_sh=SERVE) as job:
        job.wait_for(serves)
        (line,) = [event for event in job.events if event.startswith("server: 127.")]
        assert line == "server: 127.65.17.112 127.65.17.112 127.65.17.112"


def test_two_jobs_on_one_host_have_two_addresses(tmp_path: Path) -> None:
    found = set()
    for job_id in (1, 2, 257, 65537, 4194303):
        folder = tmp_path / str(job_id)
        folder.mkdir()
        with Job(folder, job_id=job_id, job_sh=IDLE) as job:
            job.wait_for(has_an_address)
            found |= {event for event in job.events if event.startswith("address")}
    assert len(found) == 5


def test_a_probe_reaches_the_server_of_its_own_job(tmp_path: Path) -> None:
    """Two servers have port 8000 of one host, and no program listens on 127.0.0.1:8000."""
    servers = [_answering(address) for address in ("127.64.0.1", "127.64.0.2")]
    try:
        for job_id in (1, 2):
            folder = tmp_path / str(job_id)
            folder.mkdir()
            with Job(folder, job_id=job_id, job_sh=PROBE) as job:
                job.wait_for(lambda events: any(event.startswith("127.") for event in events))
                assert [event for event in job.events if event.startswith("127.")] == [f"127.64.0.{job_id}"]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _answering(address: str) -> ThreadingHTTPServer:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = address.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((address, 8000), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_a_node_that_sets_no_tunnel_is_named_in_the_jobs_output(tmp_path: Path) -> None:
    with Job(tmp_path, job_id=7, job_sh=IDLE) as job:
        job.cancel()
    run = subprocess.run(
        ["bash", str(tmp_path / "job.slurm")],
        env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "uid"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "WstunnelCommand" in run.stderr
