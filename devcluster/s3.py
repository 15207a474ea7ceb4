"""The model repository of the dev stack: an S3 server on one address, with a folder of models.

    python -m devcluster.s3 --host 10.123.0.1 --port 19000 --models models

The port opens once the models are in the bucket, so every client finds them all. The server is moto's, in memory: it
accepts any credentials, and forgets on exit what clients have written. It ends with status 0 on SIGTERM.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import Client

from devcluster.addresses import NODE_ADDRESS, S3_PORT
from devcluster.paths import MODELS

BUCKET = "models"
PREFIX = "demo"


def model_files(models: Path = MODELS) -> Iterator[tuple[str, Path]]:
    """Yield the files of a model repository with their names relative to it, in order.

    Caches of Python and files of editors are left out: `__pycache__`, names with a leading dot.
    """
    for path in sorted(models.rglob("*")):
        name = path.relative_to(models)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            yield name.as_posix(), path


def serve(host: str, port: int, bucket: str, prefix: str, models: Path) -> BaseWSGIServer:
    """Return an S3 server that listens and has the models under `<bucket>/<prefix>/`; the caller lets it serve.

    Args:
        host: the only address it listens on.
        port: TCP port; 0 takes a free one, which the server has as `port`.
        bucket: made anew.
        prefix: path in the bucket, without leading or trailing slash; empty for the bucket's root.
        models: folder of the model repository.
    """
    application = DomainDispatcherApplication(create_backend_app)
    client = Client(application)
    _put(client, f"/{bucket}", b"")
    for name, path in model_files(models):
        key = f"{prefix}/{name}" if prefix else name
        _put(client, f"/{bucket}/{key}", path.read_bytes())
    return make_server(host, port, application, threaded=True)


def _put(client: Client, path: str, data: bytes) -> None:
    # moto finds the service by the scope of the credential, and does not check the signature.
    authorization = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"
    response = client.put(path, data=data, headers={"Authorization": authorization})
    if response.status_code != 200:
        msg = f"PUT {path}: the S3 server answered {response.status}"
        raise RuntimeError(msg)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m devcluster.s3", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--host", default=NODE_ADDRESS, help="address to bind to")
    parser.add_argument("--port", default=S3_PORT, type=int, help="TCP port")
    parser.add_argument("--models", default=MODELS, type=Path, help="folder of the model repository")
    arguments = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = serve(arguments.host, arguments.port, BUCKET, PREFIX, arguments.models)
    print(f"serving s3://http://{server.host}:{server.port}/{BUCKET}/{PREFIX}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
