"""The demo models where jobs can read them: their user may not read a checkout in somebody's home."""

import shutil

from devcluster import paths
from devcluster.slurm.folders import SLURM

MODELS = SLURM / "models"
"""A copy of the model repository of the dev experiment."""


def copy_models() -> None:
    """Make the copy, or make it anew."""
    shutil.rmtree(MODELS, ignore_errors=True)
    shutil.copytree(paths.MODELS, MODELS, ignore=shutil.ignore_patterns("__pycache__"))
