"""Errors in the logs of Triton and Envoy."""

import re
from collections.abc import Iterator, Sequence

_MODEL_ERRORS = (
    # For each version of a model (core, src/model_lifecycle.cc).
    re.compile(r"failed to load '(?P<model>[^']+)' version \d+: (?P<reason>.+)"),
    # For a model whose versions do not suit its version policy (core, src/model_repository_manager.cc).
    re.compile(r"failed to load model '(?P<model>[^']+)': (?P<reason>.+)"),
    # For a model whose folder or config.pbtxt is wrong, and for one that is in no repository (as above).
    re.compile(r"Poll failed for model directory '(?P<model>[^']+)': (?P<reason>.+)"),
    re.compile(r"failed to poll model '(?P<model>[^']+)': (?P<reason>.+)"),
)
_CONFIG_ERRORS = (
    # A file that Envoy watches, such as one with a certificate.
    re.compile(r"Filesystem config update rejected: (?P<reason>.+)"),
    re.compile(r"\[critical\].* error `(?P<reason>.+)` initializing config"),
)
_ERROR_LINE = re.compile(
    r"E\d{4} |error: |(\S*/)?tritonserver: |Traceback|\w+(Error|Exception)\b|\[[^]]+\]\[\d+\]\[(critical|error)\]"
)
_FINAL_ERROR = re.compile(r"(error: |(\S*/)?tritonserver: )(?P<reason>.+)")
"""The sentence with which Triton ends."""
_USAGE = re.compile(r"\t|  --|Usage: |[A-Z][A-Za-z/ ]+:$")
"""Lines of Triton's help, 400 of which follow or precede the error in its command line."""
_LINES_MAX = 4


def load_errors(lines: Sequence[str]) -> dict[str, str]:
    """Return the reason for each model that could not be loaded, by its name."""
    found: dict[str, str] = {}
    for line in lines:
        for match in (pattern.search(line) for pattern in _MODEL_ERRORS):
            if match:
                found.setdefault(match["model"], _first_line(match["reason"]))
    return found


def refused_config(lines: Sequence[str]) -> Iterator[str]:
    """Yield the reason for each part of its configuration that Envoy refuses."""
    for line in lines:
        for match in (pattern.search(line) for pattern in _CONFIG_ERRORS):
            if match:
                yield match["reason"].strip()


def final_error(lines: Sequence[str]) -> str | None:
    """Return the reason with which Triton ended; None if it gave none."""
    found = [match["reason"] for match in map(_FINAL_ERROR.match, lines) if match]
    return found[-1].strip() if found else None


def last_words(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that tell why a container ended: its errors, else its last lines."""
    errors = [line.strip() for line in lines if _ERROR_LINE.match(line)]
    said = errors or [line.strip() for line in lines if line.strip() and not _USAGE.match(line)]
    return tuple(said[-_LINES_MAX:])


def _first_line(reason: str) -> str:
    """Return a reason without its traceback. Triton quotes a message, and writes its line breaks as `\\n`."""
    return reason.partition("\\n")[0].strip().removesuffix('"')
