"""Commands and programs that the pages show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "stacks" / "README.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the fenced blocks of a language, without their indentation."""
    yield from _blocks(page.read_text(), language)


def command_lines(page: Path, section: str = "") -> Iterator[str]:
    """Yield the lines after a `$` of the console blocks, of a page or of one of its sections, as they are printed."""
    text = page.read_text()
    if section:
        text = re.split(r"^#+ ", text.partition(f"# {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    for block in _blocks(text, "console"):
        yield from re.findall(r"^\$ (.+)$", block, re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command after a `$` of a console block; `&&` parts two commands."""
    for line in command_lines(page):
        for command in re.split(r"&&|;", re.sub(r"\s#.*", "", line)):
            if words := shlex.split(command, comments=True):
                yield words


def _blocks(text: str, language: str) -> Iterator[str]:
    for indent, block in re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        yield "".join(line.removeprefix(indent) for line in block.splitlines(keepends=True))
