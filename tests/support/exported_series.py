"""Names of the series that Triton and the agents of Slurm clusters export. Envoy's are asked of a real one.

Triton's are those of its documentation, docs/user_guide/metrics.md in triton-inference-server/server; the live ring
compares the ones of models with a real Triton. The agents' are in docs/slurm.md.
"""

import re
from pathlib import Path

_MODELS = (
    *("request_success", "request_failure", "count", "exec_count", "request_duration_us", "queue_duration_us"),
    *("compute_input_duration_us", "compute_infer_duration_us", "compute_output_duration_us"),
    "pending_request_count",
)
_GPUS = ("gpu_utilization", "gpu_memory_total_bytes", "gpu_memory_used_bytes", "gpu_power_usage", "gpu_power_limit")

TRITON = frozenset(
    (*(f"nv_inference_{name}" for name in _MODELS), *(f"nv_{name}" for name in _GPUS), "nv_energy_consumption")
)
AGENT = frozenset(re.findall(r"`(sonic_\w+)`", Path(__file__).parents[2].joinpath("docs/slurm.md").read_text()))
