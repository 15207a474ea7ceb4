"""One shell that runs the lines of a page as they are printed."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TIMEOUT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Script:
    """Differences from the lines that a page prints. Patterns are regular expressions that are searched in a line."""

    instead: Mapping[str, str]
    """Pattern -> what the person writes for it."""
    not_run: Mapping[str, str] = field(default_factory=dict)
    """Pattern of lines that are not run -> the reason."""
    fails: Mapping[str, str] = field(default_factory=dict)
    """Pattern of lines that must fail on this cluster -> pattern of what they say then."""


@dataclass(frozen=True)
class Outcome:
    """A line that was run."""

    line: str
    status: int
    output: str


@dataclass(frozen=True, kw_only=True)
class PageShell:
    """A bash for the lines of a page.

    Args:
        folder: where it starts.
        results: folder for the output of the lines.
        environment: its environment.
        entered_by: command before it, such as one that enters a namespace.
    """

    folder: Path
    results: Path
    environment: Mapping[str, str]
    entered_by: Sequence[str] = ()

    def follow(self, lines: Sequence[str], script: Script) -> list[Outcome]:
        """Run the lines one after the other in one shell, up to the first whose outcome is not the expected one.

        An AssertionError tells that line, or a pattern of the script that no line has.
        """
        patterns = [*script.instead, *script.not_run, *script.fails]
        unused = [pattern for pattern in patterns if not _matching([pattern], lines)]
        assert not unused, f"no line of the page has {unused}: {lines}"
        outcomes = self._run([line for line in lines if not _matching(script.not_run, [line])], script)
        for outcome in outcomes:
            told = f"`{outcome.line}` ended with {outcome.status}:\n{outcome.output}"
            said = _matching(script.fails, [outcome.line])
            assert (outcome.status != 0) == bool(said), told
            assert all(re.search(script.fails[pattern], outcome.output) for pattern in said), told
            assert "Traceback" not in outcome.output, told
        return outcomes

    def _run(self, lines: Iterable[str], script: Script) -> list[Outcome]:
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir()
        typed = []
        text = f"cd {self.folder}\n"
        for number, line in enumerate(lines):
            own = line
            for pattern, words in script.instead.items():
                own = re.sub(pattern, words, own)
            typed.append(own)
            wanted = "-ne 0" if _matching(script.fails, [line]) else "-eq 0"
            text += f"{{ {own}\n}} </dev/null >{self.results}/{number} 2>&1; status=$?\n"
            text += f"echo $status >{self.results}/{number}.status; [ $status {wanted} ] || exit\n"
        subprocess.run(
            [*self.entered_by, "bash", "--noprofile", "--norc", "-c", text],
            env=self.environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return [
            Outcome(
                line, int((self.results / f"{number}.status").read_text()), (self.results / f"{number}").read_text()
            )
            for number, line in enumerate(typed)
            if (self.results / f"{number}.status").exists()
        ]


def _matching(patterns: Iterable[str], lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return [pattern for pattern in patterns if any(re.search(pattern, line) for line in lines)]
