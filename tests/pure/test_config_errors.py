"""Bad input: every file below tests/config/error is refused with the sentences in its head, and with nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacks import schema
from stacks.__main__ import main
from stacks.errors import ConfigurationError
from stacks.resolve import resolve
from tests.support.config_cases import STACK, error_cases, lay_out_error, lay_out_happy


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


def schema_modules() -> list[Path]:
    """Every module of the schema, found in its folder."""
    return sorted(Path(str(schema.__file__)).parent.glob("*.py"))


def sentences(module: Path) -> Iterator[tuple[int, str]]:
    """Line and pattern of every sentence that a module refuses with: a `BrokenRule` or the text of a ValueError."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name("BrokenRule"), args=[sentence, *_]):
                yield node.lineno, pattern(sentence)
            case ast.Assign(targets=[ast.Name("msg")], value=sentence):
                yield node.lineno, pattern(sentence)
            case ast.Raise(exc=ast.Call(func=ast.Name("ValueError"), args=[argument])):
                assert ast.unparse(argument) == "msg", f"{module.name}:{node.lineno}: write the sentence to `msg` first"


def pattern(sentence: ast.expr) -> str:
    """The pattern of an f-string: what it puts in may be anything."""
    assert isinstance(sentence, ast.JoinedStr | ast.Constant), f"no literal sentence: {ast.unparse(sentence)}"
    parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
    constant = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts]
    return "".join(constant)


@pytest.mark.parametrize("module", schema_modules(), ids=lambda module: module.stem)
def test_every_sentence_of_the_schema_is_told_in_a_case(module: Path, tmp_path: Path) -> None:
    """A rule that nothing breaks may be one that cannot be broken."""
    told = [sentence for case in error_cases() for sentence in lay_out_error(case, tmp_path)]
    never = [
        f"{module.name}:{line}: {wanted}"
        for line, wanted in sentences(module)
        if not any(re.search(f"{wanted}(: write .*|, or remove it)?$", sentence) for sentence in told)
    ]
    assert never == []
