"""The S3 server of the dev stack: the content of its bucket, its address and its end."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from devcluster import s3
from devcluster.paths import CHECKOUT, MODELS
from devcluster.wait import wait_until

LOOPBACK = "127.0.0.1"


def client(port: int) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://{LOOPBACK}:{port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106
    )


def keys(port: int, bucket: str = "models") -> list[str]:
    return [entry["Key"] for entry in client(port).list_objects_v2(Bucket=bucket)["Contents"]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, content in {
        "echo/config.pbtxt": 'name: "echo"\n',
        "echo/1/model.py": "# é\n",
        "echo/1/__pycache__/model.cpython-311.pyc": "bytes",
        "echo/.model.py.swp": "an editor's",
    }.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "models"


@pytest.fixture
def serving() -> Iterator[Any]:
    """Starts servers, and shuts them down at the end. Buckets outlive a server: moto keeps them in the process."""
    servers = []

    def serve(bucket: str, prefix: str, models: Path) -> int:
        server = s3.serve(LOOPBACK, 0, bucket, prefix, models)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_holds_the_models_under_the_prefix_and_nothing_else(serving: Any, models: Path) -> None:
    port = serving("models", "demo", models)
    assert keys(port) == ["demo/echo/1/model.py", "demo/echo/config.pbtxt"]
    body = client(port).get_object(Bucket="models", Key="demo/echo/1/model.py")["Body"].read()
    assert body == (models / "echo/1/model.py").read_bytes()


def test_an_empty_prefix_is_the_root_of_the_bucket(serving: Any, models: Path) -> None:
    assert keys(serving("root", "", models), "root") == ["echo/1/model.py", "echo/config.pbtxt"]


def test_every_file_of_the_dev_models_is_given() -> None:
    names = [name for name, _ in s3.model_files()]
    assert "particlenet_AK4_PT_numpy/1/particlenet.py" in names
    assert {name.split("/")[0] for name in names} == {path.name for path in MODELS.iterdir()}


def test_as_a_process_it_listens_on_its_address_alone_and_ends_well_on_sigterm(models: Path) -> None:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    address = ["--host", LOOPBACK, "--port", str(port), "--models", str(models)]
    process = subprocess.Popen([sys.executable, "-m", "devcluster.s3", *address], cwd=CHECKOUT)
    try:
        wait_until(lambda: _connects(LOOPBACK, port), "the server to open its port", timeout_seconds=60)
        assert keys(port) == ["demo/echo/1/model.py", "demo/echo/config.pbtxt"]
        assert not _connects("127.0.0.2", port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
