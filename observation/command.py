"""The commands `python -m stacks watch STACK` and `python -m stacks report STACK`."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from access.cluster import ClusterError
from access.kubeconfig import find_context
from access.kubectl_proxy import kubectl_proxy
from access.prometheus import CALL_SECONDS, ApiPath, Ask, PrometheusError, asker, by_url
from observation import history
from observation.facts import Unknown
from observation.frame import Frame, frame
from observation.page import page
from observation.reading import read
from observation.screen import screen
from observation.stack_names import StackNames
from observation.summary import summary
from stacks.errors import ConfigurationError
from stacks.resolve import resolve
from stacks.schema import StackConfig

_FILE_COLUMNS = 160
"""Width of a frame in a file or a pipe, where the variable COLUMNS does not say another."""
_REPORT_CALL_SECONDS = 60
"""Time for one question of a report: a small Prometheus takes long for a day."""


def watch(stack: str, root: Path, *, url: str | None, once: bool) -> int:
    """Show a stack until a key ends it; without a terminal, or with `once`, print one frame.

    Args:
        stack: name of the stack.
        root: folder of the stack files.
        url: Prometheus to ask instead of the site's, such as that of a forwarded port.
        once: print one frame.

    Returns:
        0 if the cluster could be asked.
    """
    try:
        config = resolve(stack, root).config
        names = StackNames.of(config)
        with kubectl_proxy(find_context(config.site.access, os.environ)) as view:
            ask = _prometheus(config, root, url, view.raw)

            def take() -> Frame:
                return frame(read(view.fresh(), ask, names), names)

            if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
                return _print(take())
            _live(take)
    except (ConfigurationError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def report(stack: str, root: Path, *, last: str, file: Path, url: str | None) -> int:
    """Write the last hours of a stack to an HTML file.

    Args:
        stack: name of the stack.
        root: folder of the stack files.
        last: time that it covers, such as `24h`.
        file: file, which is replaced.
        url: Prometheus to ask instead of the site's, such as that of a forwarded port.

    Returns:
        0 if the file is written.
    """
    try:
        seconds = history.duration_seconds(last)
        config = resolve(stack, root).config
        names = StackNames.of(config)
        ask = _prometheus(config, root, url, call_seconds=_REPORT_CALL_SECONDS)
        covered = history.span(seconds, names, datetime.now(UTC))
        found = summary(history.read(ask, names, covered), names)
        if found.plots:
            file.write_text(page(found), encoding="utf-8")
    except (ConfigurationError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{file}: cannot be written ({error.strerror}): name another file", file=sys.stderr)
        return 1
    if not found.plots:
        print(*found.missing, sep="\n", file=sys.stderr)
        return 1
    print(f"{file} has {found.times[0]:%Y-%m-%d %H:%M} to {found.times[-1]:%Y-%m-%d %H:%M} UTC of stack `{stack}`")
    for sentence in found.missing:
        print(f"missing: {sentence}")
    return 0


def _prometheus(
    config: StackConfig,
    root: Path,
    url: str | None,
    api: ApiPath | None = None,
    *,
    call_seconds: int = CALL_SECONDS,
) -> Ask:
    """Return the way to the Prometheus of a stack. Without one, each question is answered by the reason."""
    try:
        if url:
            return by_url(config, url, config.stack, root, call_seconds=call_seconds)
        return asker(config, config.stack, root, api, call_seconds=call_seconds)
    except PrometheusError as error:
        reason = str(error)

    def refuse(_: str) -> Mapping[str, Any]:
        raise PrometheusError(reason)

    return refuse


def _print(shown: Frame) -> int:
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _FILE_COLUMNS
    Console(width=width).print(screen(shown))
    return int(isinstance(shown.servers, Unknown))


def _live(take: Callable[[], Frame]) -> None:
    from observation import live  # it needs a terminal, and a system that has them as Unix does

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a lost connection is a sentence in the frame
    live.watch(Console(), take)
