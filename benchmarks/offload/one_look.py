"""Looks of the agent in a process of its own: `python one_look.py SETTINGS LOOKS`.

It imports the agent as it is on an edge host: the package `agent` alone, from the folder in PYTHONPATH. So its memory
is that of the agent's process.
"""

import importlib
import json
import sys
import time
from pathlib import Path


def main(settings_file: str, looks: int) -> None:
    """Print the seconds of each look and the peak of memory in MiB, as JSON."""
    settings = importlib.import_module("agent.settings").read(Path(settings_file))
    agent = importlib.import_module("agent.look").Agent(settings)
    seconds = []
    for _ in range(looks):
        began = time.perf_counter()
        agent.look()
        seconds.append(time.perf_counter() - began)
    metrics = agent.metrics.text()
    # Not getrusage: its peak includes that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak_mib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib, "metrics": metrics}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
