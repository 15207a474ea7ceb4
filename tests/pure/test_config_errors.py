"""Bad input: every file below tests/config/error is refused with the sentences in its head, and with nothing else."""

import ast
import sys
from pathlib import Path

import pytest

from stacks.__main__ import main
from stacks.errors import ConfigurationError
from stacks.resolve import resolve
from stacks.schema import base, clients, experiment, site, stack
from tests.support.config_cases import STACK, error_cases, lay_out_error, lay_out_happy

SCHEMA_MODULES = (base, site, clients, experiment, stack)


@pytest.mark.parametrize("case", error_cases())
def test_is_refused_with_its_sentences(case: str, tmp_path: Path) -> None:
    expected = lay_out_error(case, tmp_path)
    assert expected, "the file says in `# expect: …` comments what it is to be refused with"
    with pytest.raises(ConfigurationError) as caught:
        resolve(STACK, tmp_path)
    assert [str(problem) for problem in caught.value.problems] == expected


def test_check_prints_every_sentence_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = lay_out_error("site.several-problems.yaml", tmp_path)
    assert main(["check"], tmp_path) == 1
    output = capsys.readouterr().out
    assert all(f"  {sentence}\n" in output for sentence in expected)


def test_an_unknown_stack_is_told_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_out_happy("minimal", tmp_path)
    assert main(["show", "caes"], tmp_path) == 1
    assert capsys.readouterr().err == (
        "Pulumi.caes.yaml: there is no stack `caes`: must be one of case: did you mean `case`?\n"
    )


def test_the_file_of_a_stack_is_not_taken_for_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_out_happy("minimal", tmp_path)
    assert main(["show", "Pulumi.case.yaml"], tmp_path) == 1
    assert capsys.readouterr().err == (
        "Pulumi.case.yaml: found the name of a file: must be the name of a stack: write case\n"
    )
    assert main(["show", "Pulumi.caes.yaml"], tmp_path) == 1
    assert "there is no stack `caes`: must be one of case: did you mean `case`?" in capsys.readouterr().err


def test_a_secret_is_never_printed(tmp_path: Path) -> None:
    lay_out_error("stack.secret-in-plain-text.yaml", tmp_path)
    assert "minioadmin" in (tmp_path / f"Pulumi.{STACK}.yaml").read_text()
    with pytest.raises(ConfigurationError) as caught:
        resolve(STACK, tmp_path)
    assert "minioadmin" not in str(caught.value)


def test_every_rule_of_the_schema_has_a_case_that_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that nothing breaks may be one that cannot be broken."""
    broken: set[tuple[str, int]] = set()

    class Recorded(base.BrokenRule):
        def __new__(cls, message: str, fields: tuple[str, ...]) -> "Recorded":
            caller = sys._getframe(1)
            broken.add((caller.f_globals["__name__"], caller.f_lineno))
            return super().__new__(cls, message, fields)

    for module in SCHEMA_MODULES:
        monkeypatch.setattr(module, "BrokenRule", Recorded, raising=False)
    for index, case in enumerate(error_cases()):
        root = tmp_path / str(index)
        lay_out_error(case, root)
        with pytest.raises(ConfigurationError):
            resolve(STACK, root)

    rules = [
        (module.__name__, call.lineno, call.end_lineno or call.lineno)
        for module in SCHEMA_MODULES
        for call in ast.walk(ast.parse(Path(str(module.__file__)).read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "BrokenRule"
    ]
    assert rules
    never = [
        f"{name}:{first}"
        for name, first, last in rules
        if not any(module == name and first <= line <= last for module, line in broken)
    ]
    assert never == []
