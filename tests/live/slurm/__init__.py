"""Tests that share one deployment of the stack `dev-slurm`."""
