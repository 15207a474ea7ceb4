"""A line that breaks a file of YAML is named, and the line that the advice gives puts the file right."""

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stacks.errors import ConfigurationError, Problem, WriteLine
from stacks.source import parse
from tests.support.config_cases import CASES

TEXTS = [(CASES / "happy" / f"everything.{part}.yaml").read_text() for part in ("site", "experiment")]


def quoted(line: str) -> str:
    return re.sub(r": ([^\[{\"'|>&*#]+)$", r': "\1"', line)


BREAKS: dict[str, Callable[[str], str]] = {
    "a quote is not closed": lambda line: quoted(line)[:-1] if quoted(line) != line else line,
    "a single quote is not closed": lambda line: quoted(line)[:-1].replace('"', "'") if quoted(line) != line else line,
    "a bracket is not closed": lambda line: re.sub(r"\]$", "", line),
    "a tab indents": lambda line: re.sub(r"^ +", "\t", line),
    "no blank behind the colon": lambda line: re.sub(r"^(\s*[a-z_]+): (\S)", r"\1:\2", line),
    "no colon": lambda line: re.sub(r"^(\s*[a-z_]+):( |$)", r"\1\2", line),
    "an equals sign": lambda line: re.sub(r"^(\s*[a-z_]+): (\S)", r"\1 = \2", line),
    "a colon in text": lambda line: re.sub(r"^(\s*[a-z_]+: [a-z]{3,})", r"\1: note", line),
    "a brace at the beginning": lambda line: re.sub(r"^(\s*[a-z_]+): ([a-z]{3,}\S*)$", r"\1: {experiment}.\2", line),
    "one blank more": lambda line: f" {line}",
    "one blank less": lambda line: line.removeprefix(" "),
    "a sign that YAML keeps": lambda line: re.sub(r"^(\s*[a-z_]+): ([a-z]{3,}\S*)$", r"\1: @\2", line),
}
MEANT: dict[str, Callable[[str], str]] = {
    "a quote is not closed": lambda line: f'{line}"',
    "a single quote is not closed": lambda line: f"{line}'",
    "a colon in text": lambda line: re.sub(r": (.*)$", r': "\1"', line),
    "a brace at the beginning": lambda line: re.sub(r": (.*)$", r': "\1"', line),
    "a sign that YAML keeps": lambda line: re.sub(r": (.*)$", r': "\1"', line),
}
"""What a break meant, where that is not the line before it."""


def problem_of(text: str) -> Problem | None:
    try:
        parse(text, "file.yaml")
    except ConfigurationError as error:
        (problem,) = error.problems
        return problem
    return None


@pytest.mark.parametrize("kind", BREAKS)
@given(data=st.data())
def test_a_broken_line_is_named_and_put_right(kind: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    lines = text.split("\n")
    breakable = [at for at, line in enumerate(lines, 1) if line and "#" not in line and BREAKS[kind](line) != line]
    number = data.draw(st.sampled_from(breakable))
    line = lines[number - 1]
    broken = BREAKS[kind](line)

    def with_line(other: str) -> str:
        return "\n".join([*lines[: number - 1], other, *lines[number:]])

    problem = problem_of(with_line(broken))
    assume(problem is not None)  # else it is YAML of another meaning, which the models refuse
    assert problem
    assume(problem.edits)  # keys of one mapping in two columns may be right in either
    (edit,) = problem.edits
    assert isinstance(edit, WriteLine)
    assert problem.where == f"file.yaml:{edit.line}"
    if "tab" in kind:  # its column may be that of any mapping above
        assert edit.line == number
        assert "must be indented with blanks" in problem.sentence
    elif "blank" not in kind:
        assert edit.line == number
        assert edit.text is not None
        assert (
            parse(with_line(edit.text), "file.yaml").value
            == parse(with_line(MEANT[kind](broken) if kind in MEANT else line), "file.yaml").value
        )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("keda: true\n  namespace: keda\n", "keda:"),
        ("models:\n  - deepmet # first\n    versions: [1]\n", "  - name: deepmet # first"),
    ],
)
def test_a_value_above_further_keys_is_put_right(text: str, line: str) -> None:
    problem = problem_of(text)
    assert problem
    (edit,) = problem.edits
    assert isinstance(edit, WriteLine)
    assert edit.text == line


def test_a_template_of_helm_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"file.yaml:2: found `\{\{- if .Values.a }}`, a template"):
        parse("a: 1\n{{- if .Values.a }}\nb: 2\n{{- end }}\n", "file.yaml")


def test_a_conflict_of_git_is_named() -> None:
    with pytest.raises(ConfigurationError, match="a conflict of git: keep one side"):
        parse("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> other\n", "file.yaml")
