"""Servers that are Slurm jobs behind a virtual node: the cost of the way to them, and the time until one serves."""
