"""Commands and programs that the pages show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "stacks" / "README.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the fenced blocks of a language, without their indentation."""
    for indent, text in re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command after a `$` of a console block; `&&` parts two commands."""
    for block in blocks(page, "console"):
        for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE):
            for command in re.split(r"&&|;", re.sub(r"\s#.*", "", line)):
                if words := shlex.split(command, comments=True):
                    yield words
