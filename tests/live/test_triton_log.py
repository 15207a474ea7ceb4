"""The reasons that `why` reads from Triton's log are those that the real Triton writes."""

from pathlib import Path

import pytest

from diagnosis.logs import final_error, load_errors
from testbed.loopback import free_port
from testbed.real_triton import MODELS_FOLDER, start_triton

pytestmark = pytest.mark.live

CONFIG = """
backend: "python"
input [{name: "A", data_type: TYPE_FP32, dims: [1]}]
output [{name: "B", data_type: TYPE_FP32, dims: [1]}]
"""
MODEL = "class TritonPythonModel:\n    def initialize(self, args):\n        {}\n"
REPOSITORY = {
    "imports/config.pbtxt": CONFIG,
    "imports/1/model.py": "import no_such_module\n",
    "weights/config.pbtxt": CONFIG,
    "weights/1/model.py": MODEL.format("raise RuntimeError('the weights are not at /cvmfs/weights')"),
    "backend/config.pbtxt": CONFIG.replace("python", "no-such-backend"),
    "backend/1/model.onnx": "",
    "empty/config.pbtxt": CONFIG,
    "misspelt/config.pbtxt": "no_such_field: 3",
    "misspelt/1/model.py": MODEL.format("pass"),
}
REASONS = {
    "imports": "No module named 'no_such_module'",
    "weights": "the weights are not at /cvmfs/weights",
    "backend": "unable to find backend library for backend 'no-such-backend'",
    "empty": "at least one version must be available",
    "misspelt": "failed to read text proto from",
    "absent": "model not found in any model repository",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Models that do not load."""
    root = tmp_path / "models"
    for name, text in REPOSITORY.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def log_of(directory: Path, *flags: str, models: Path | None = None) -> list[str]:
    """Return the log of a Triton that ends by itself."""
    ports = [f"--{kind}-port={free_port()}" for kind in ("grpc", "http", "metrics")]
    process = start_triton([*ports, *flags], log=directory / "triton.log", models=models)
    assert process.wait(timeout=120) != 0
    return process.log.read_text().splitlines()


@pytest.mark.parametrize("model", REASONS)
def test_a_model_that_does_not_load_is_named_with_its_reason(tmp_path: Path, repository: Path, model: str) -> None:
    flags = (f"--model-repository={MODELS_FOLDER}", "--model-control-mode=explicit", f"--load-model={model}")
    found = load_errors(log_of(tmp_path, *flags, "--disable-auto-complete-config", models=repository))
    assert found.keys() == {model}
    assert REASONS[model] in found[model]
    assert "\\n" not in found[model]


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--no-such-flag", "unrecognized option '--no-such-flag'"),
        ("--model-repository=/no-such-folder", "creating server: Internal - failed to stat file /no-such-folder"),
    ],
)
def test_a_triton_that_ends_at_once_gives_its_reason(tmp_path: Path, flag: str, reason: str) -> None:
    assert final_error(log_of(tmp_path, flag)) == reason
