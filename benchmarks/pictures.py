"""`python -m benchmarks.pictures`: takes the pictures of `watch` and `report` in `docs/pictures`, of the stack `dev`.

It puts a load on the stack that needs more servers for some minutes, and runs the commands as a person types them. The
cluster must be up. The figures in the pictures are of the machine at hand, and are no benchmark.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from benchmarks.loopback.load import Load
from benchmarks.loopback.load_client import Client
from devcluster.deploy import STACK
from devcluster.environment import variables
from devcluster.errors import DevClusterError
from devcluster.paths import CHECKOUT
from devcluster.progress import Progress
from devcluster.supervisor import Supervisor
from devcluster.toolchain import Toolchain
from stacks.resolve import resolve
from testbed.browser import Browser

FOLDER = CHECKOUT / "docs" / "pictures"
WATCH, REPORT = FOLDER / "watch.svg", FOLDER / "report.png"

_PHASES = ((45, 8.0), (120, 24.0), (90, 8.0))
"""Seconds, and requests a second of `sleep_identity`. At the second rate two servers have no pause."""
_HIGH = 1
"""Phase in which servers are added."""
_LOAD = Load(targets=(), rate_per_second=0, duration_seconds=0, seed=1, sleep_ms=100, connections=4)
_COLUMNS = 112
_LOOK_SECONDS = 10
_REPORT_WIDTH, _REPORT_HEIGHT = 1000, 1035
_FONTS_OF_THE_WEB = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)


def main() -> int:
    """Take the pictures; return 1 with a sentence if that is not possible."""
    if not Supervisor().is_running():
        print("the dev cluster is down: `make up` starts it", file=sys.stderr)
        return 1
    toolchain, progress = Toolchain(), Progress(total=len(_PHASES) + 1)
    environment = {**os.environ, **variables(toolchain)}
    frames: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="sonic-pictures-") as scratch:
            for number, (seconds, rate) in enumerate(_PHASES):
                with progress.step(f"{rate:g} requests a second for {seconds} s"):
                    frames += _look(seconds, rate, Path(scratch) / str(number), environment, each=number == _HIGH)
            with progress.step("draw"):
                _draw(frames, Path(scratch) / "report.html", environment)
    except DevClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"wrote {WATCH.relative_to(CHECKOUT)} and {REPORT.relative_to(CHECKOUT)}")
    return 0


def _look(seconds: float, rate: float, scratch: Path, environment: Mapping[str, str], *, each: bool) -> list[str]:
    """Put a load on the stack to its end; return the frames of `watch` meanwhile, or none."""
    scratch.mkdir()
    target = f"127.0.0.1:{resolve(STACK).config.site.exposure.client_port}"
    load = replace(_LOAD, targets=(target,), rate_per_second=rate, duration_seconds=seconds)
    others = replace(load, model="particlenet_AK4_PT_numpy", rate_per_second=rate / 8, seed=2)
    frames: list[str] = []
    with ExitStack() as running:
        clients = [
            Client(one, samples_file=scratch / f"{one.model}.csv.gz", scratch=scratch, core=None)
            for one in (load, others)
        ]
        for client in clients:
            running.callback(client.process.kill)
            client.await_start()
        for second in range(_LOOK_SECONDS, int(seconds) if each else 0, _LOOK_SECONDS):
            clients[0].sleep_until(second)
            frames.append(_run(["watch", STACK, "--once"], environment))
        for client in clients:
            client.samples()
    return frames


def _draw(frames: Sequence[str], report: Path, environment: Mapping[str, str]) -> None:
    """Draw the first frame with a server that starts, or the last one, and the head of the report."""
    chosen = next((frame for frame in frames if "starting" in Text.from_ansi(frame).plain), frames[-1])
    FOLDER.mkdir(exist_ok=True)
    WATCH.write_text(terminal_svg(chosen, f"python -m stacks watch {STACK}"), encoding="utf-8")
    minutes = sum(seconds for seconds, _ in _PHASES) // 60 + 2
    _run(["report", STACK, "--last", f"{minutes}m", "-o", str(report)], environment)
    with Browser() as browser:
        browser.open(report, width=_REPORT_WIDTH)
        REPORT.write_bytes(browser.screenshot(height=_REPORT_HEIGHT))


def terminal_svg(output: str, title: str) -> str:
    """Return what a terminal shows as SVG, which loads no font.

    Args:
        output: lines with ANSI escapes.
        title: text of the window's frame.
    """
    console = Console(record=True, width=_COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output.rstrip()))
    drawn = console.export_svg(title=title, unique_id="watch")
    return _FONTS_OF_THE_WEB.sub("", drawn).replace("Fira Code,", "Menlo, Consolas,")


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command of `python -m stacks` in a terminal of colours, and return what it prints."""
    shown = {**environment, "COLUMNS": str(_COLUMNS), "FORCE_COLOR": "1", "COLORTERM": "truecolor"}
    command = [sys.executable, "-m", "stacks", *arguments]
    run = subprocess.run(command, cwd=CHECKOUT, env=shown, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        msg = f"`python -m stacks {' '.join(arguments)}` failed: {run.stderr.strip()}"
        raise DevClusterError(msg)
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
