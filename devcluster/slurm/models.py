"""The demo models where jobs can read them: their user may not read a checkout in somebody's home."""

from devcluster import paths
from devcluster.files import write
from devcluster.slurm.folders import SLURM

MODELS = SLURM / "models"
"""A copy of the model repository of the dev experiment."""


def copy_models() -> None:
    """Bring the copy up to date, file by file: servers that run have its folders mounted."""
    sources = [path for path in paths.MODELS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {MODELS / path.relative_to(paths.MODELS): path for path in sources}
    for path, source in wanted.items():
        write(path, source.read_bytes())
    for path in MODELS.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
