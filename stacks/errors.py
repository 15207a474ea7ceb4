"""Problems of a configuration, as sentences for the person who wrote it."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

_FOUND_LENGTH_MAX = 60
_CREDENTIALS = re.compile(r"//[^@\s]*@")


class Problem(NamedTuple):
    """One thing that is wrong, in one sentence: the thing, the value found, the rule, the way out."""

    where: str
    """Files and lines, such as `stacks/sites/purdue.yaml:12`."""
    sentence: str
    """The rest of the sentence."""

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


class ConfigurationError(Exception):
    """Everything that is wrong with a stack; `str` of it is one sentence a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def found(value: Any) -> str:
    """Return a value as JSON, cut to a length that a sentence can hold, without user name and password of a URL."""
    text = _CREDENTIALS.sub("//…@", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _FOUND_LENGTH_MAX else f"{text[: _FOUND_LENGTH_MAX - 1]}…"


def choice(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return `did you mean …?` for a known word that is near, whatever its case; else the other way out."""
    by_lower_case = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), list(by_lower_case), n=1, cutoff=0.7)
    return f"did you mean `{by_lower_case[near[0]]}`?" if near else otherwise
