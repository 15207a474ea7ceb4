"""Slurm on this machine, and a stand-in for interLink's API and its Slurm plugin before it.

Slurm, `sbatch`, `ssh` and the container runtime are real. The stand-ins keep to the behaviour that the real programs
showed in a run of Nov 2026, with their faults; none of their code is copied. `tools/virtual-node` is the third.
"""
