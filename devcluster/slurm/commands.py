"""Slurm's commands, as somebody on this machine runs them."""

import os
import subprocess

from devcluster.slurm.folders import COMMANDS, CONFIGURATION


def run(command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command; its status is the caller's to judge.

    Args:
        command: sbatch, squeue, scancel, scontrol or sinfo.
        arguments: its arguments.
    """
    return subprocess.run(
        [COMMANDS / command, *arguments],
        env={**os.environ, "SLURM_CONF": str(CONFIGURATION)},
        capture_output=True,
        text=True,
        check=False,
    )
