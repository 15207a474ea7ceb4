"""Problems of a configuration, as sentences for the person who wrote it and as edits for a program."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from stacks.key_forms import without_keys
from stacks.origin import Json, KeyPath

_FOUND_LENGTH_MAX = 60
_CREDENTIALS = re.compile(r"//[^@\s]*@")
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*")


class Write(NamedTuple):
    """An edit that gives a key of a file a value; mappings on the way to it are made."""

    file: str
    """File, relative to the root of the repository."""
    path: KeyPath
    """Path in that file."""
    value: Json
    """The value."""


class Remove(NamedTuple):
    """An edit that takes a key, with its value, out of a file."""

    file: str
    """File, relative to the root of the repository."""
    path: KeyPath
    """Path in that file."""


class WriteLine(NamedTuple):
    """An edit of a file that cannot be read as YAML: another text for one line."""

    file: str
    """File, relative to the root of the repository."""
    line: int
    """Line, from 1."""
    text: str | None
    """The text; None: the line goes."""


Edit = Write | Remove | WriteLine


class Advice(NamedTuple):
    """A way out."""

    words: str
    """It, as the end of a sentence."""
    edits: tuple[Edit, ...] = ()
    """It, for a program: all of them together. Empty where only a person can know."""


class Problem(NamedTuple):
    """One thing that is wrong, in one sentence: the thing, the value found, the rule, the way out."""

    where: str
    """Files and lines, such as `stacks/sites/purdue.yaml:12`."""
    sentence: str
    """The rest of the sentence."""
    edits: tuple[Edit, ...] = ()
    """The way out, for a program. Empty where only a person can know."""
    compares: bool = False
    """True for a rule between values, which may hold once another problem is solved."""

    def __str__(self) -> str:
        return without_keys(f"{self.where}: {self.sentence}")


class ConfigurationError(Exception):
    """Everything that is wrong with a stack; `str` of it is one sentence a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple({str(problem): problem for problem in problems}.values())
        super().__init__("\n".join(str(problem) for problem in self.problems))


def found(value: Any) -> str:
    """Return a value as JSON, cut to a length that a sentence can hold, without the keys in it."""
    text = without_keys(_CREDENTIALS.sub("//…@", json.dumps(value, ensure_ascii=False)))
    text = _PRIVATE_KEY.sub(r"\1…", text)
    return text if len(text) <= _FOUND_LENGTH_MAX else f"{text[: _FOUND_LENGTH_MAX - 1]}…"


def near(word: str, known: Iterable[str]) -> str | None:
    """Return a known word that is near, whatever its case and its dashes; None: no word is."""
    by_letters = {_letters(each): each for each in known}
    matches = difflib.get_close_matches(_letters(word), list(by_letters), n=1, cutoff=0.7)
    return by_letters[matches[0]] if matches else None


def choice(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return `did you mean …?` for a known word that is near; else the other way out."""
    meant = near(word, known)
    return f"did you mean `{meant}`?" if meant else otherwise


def _letters(word: str) -> str:
    return re.sub(r"[-_ .]", "", word.lower())
