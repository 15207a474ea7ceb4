"""Triton servers of one capacity pool, behind one headless Service: pods, or Slurm jobs."""

from components.triton.args import ServersArgs, SlurmPoolArgs, TritonPoolArgs
from components.triton.node_pool import TritonPool, server_pool
from components.triton.pool import Pool
from components.triton.server import GRPC_PORT
from components.triton.slurm_pool import SlurmPool

__all__ = [
    "GRPC_PORT",
    "Pool",
    "ServersArgs",
    "SlurmPool",
    "SlurmPoolArgs",
    "TritonPool",
    "TritonPoolArgs",
    "server_pool",
]
