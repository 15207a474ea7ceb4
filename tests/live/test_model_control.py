"""Models that come and go while the real Triton runs, loaded by HTTP as a model manager does."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from devcluster.paths import MODELS
from testbed.loopback import free_port, http
from testbed.real_triton import MODELS_FOLDER, copy_models, start_triton

pytestmark = pytest.mark.live

READY = "/v2/health/ready"


@contextmanager
def serving(models: Path, log: Path, *, strict: bool) -> Iterator[int]:
    """Gives the HTTP port of a Triton that has loaded all models of a folder."""
    port = free_port()
    flags = [
        f"--model-repository={MODELS_FOLDER}",
        "--model-control-mode=explicit",
        "--load-model=*",
        f"--strict-readiness={str(strict).lower()}",
        f"--http-port={port}",
        "--allow-grpc=false",
        "--allow-metrics=false",
    ]
    with start_triton(flags, log=log, models=models) as process:
        process.await_that(lambda: answers(port), "Triton to be ready")
        yield port


def answers(port: int) -> bool:
    try:
        return http(port, READY)[0] == 200
    except OSError:
        return False


def control(port: int, model: str, action: str) -> int:
    return http(port, f"/v2/repository/models/{model}/{action}", "POST")[0]


def put_broken_model(repository: Path) -> None:
    model = repository / "broken"
    copy_models(repository / "copied", MODELS / "sum_and_difference")
    (repository / "copied" / "sum_and_difference").rename(model)
    (repository / "copied").rmdir()
    configuration = model / "config.pbtxt"
    configuration.write_text(configuration.read_text().replace("sum_and_difference", "broken"))
    (model / "1" / "model.py").write_text("raise RuntimeError('no such library')\n")


def test_a_model_that_does_not_load_takes_out_a_strict_server_and_no_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ready = {}
        for strict in (True, False):
            models = copy_models(tmp_path / f"models-{strict}", MODELS / "sum_and_difference")
            port = stack.enter_context(serving(models, tmp_path / f"triton-{strict}.log", strict=strict))
            put_broken_model(models)
            assert control(port, "broken", "load") == 400
            ready[strict] = http(port, READY)[0] == 200
    assert ready == {True: False, False: True}, "why model control needs strict_readiness: false"


def test_a_model_that_comes_later_is_loaded_and_unloaded(tmp_path: Path) -> None:
    models = copy_models(tmp_path / "models", MODELS / "sum_and_difference")
    with serving(models, tmp_path / "triton.log", strict=False) as port:
        copy_models(models, MODELS / "sleep_identity")
        assert control(port, "sleep_identity", "load") == 200
        assert http(port, "/v2/models/sleep_identity/ready")[0] == 200
        assert control(port, "sleep_identity", "unload") == 200
        assert http(port, "/v2/models/sleep_identity/ready")[0] != 200
        assert http(port, READY)[0] == 200
