"""Errors in the log of a Triton that could not start."""

import re
from collections.abc import Sequence

_LOAD_ERROR = re.compile(r"failed to load '(?P<model>[^']+)'(?: version (?P<version>\d+))?: (?P<reason>.+?)\"?\s*$")
"""Logged by Triton for each version of a model (core, src/model_lifecycle.cc)."""
_POLL_ERROR = re.compile(r"Poll failed for model directory '(?P<model>[^']+)': (?P<reason>.+?)\"?\s*$")
"""Logged for a model whose folder or config.pbtxt is wrong (core, src/model_repository_manager.cc)."""
_ERROR_LINE = re.compile(r"^(E\d{4} |error: |Traceback|\w*(Error|Exception)\b)")
_LINES_MAX = 4


def load_errors(lines: Sequence[str]) -> dict[str, str]:
    """Return the reason for each model that could not be loaded, by its name."""
    found: dict[str, str] = {}
    for line in lines:
        match = _LOAD_ERROR.search(line) or _POLL_ERROR.search(line)
        if match:
            found.setdefault(match["model"], match["reason"].strip())
    return found


def last_words(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that tell why a container ended: its errors, else its last lines."""
    errors = [line.strip() for line in lines if _ERROR_LINE.match(line)]
    chosen = errors or [line.strip() for line in lines if line.strip()]
    return tuple(chosen[-_LINES_MAX:])
