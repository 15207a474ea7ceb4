"""The list of faults, the tests that prove them and the page for operators agree."""

import re
from pathlib import Path

import pytest

from devcluster.paths import CHECKOUT
from tests.support.chaos import Fault
from tests.support.chaos_table import verdict

TESTS = CHECKOUT / "tests"
PAGE = CHECKOUT / "docs" / "chaos.md"


def sections(page: Path) -> dict[str, str]:
    """Text of each section of the second level, by its title."""
    _, *found = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    return {title: text for title, _, text in (section.partition("\n") for section in found)}


def test_every_fault_has_a_test() -> None:
    marked = {
        name for file in TESTS.rglob("test_*.py") for name in re.findall(r"chaos\(Fault\.(\w+)", file.read_text())
    }
    assert marked == {fault.name for fault in Fault}


@pytest.mark.parametrize("fault", Fault)
def test_the_page_has_every_fault_and_names_its_tests(fault: Fault) -> None:
    text = sections(PAGE)[fault.title]
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert named
    for file in named:
        assert f"chaos(Fault.{fault.name})" in (CHECKOUT / file).read_text()


def report(when: str, outcome: str) -> pytest.TestReport:
    return pytest.TestReport("a test", ("", None, ""), {}, outcome, None, when)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ((), "not shown"),
        (("setup passed", "call passed", "teardown passed"), "passed"),
        (("setup passed", "call failed", "teardown passed"), "failed"),
        (("setup failed",), "failed"),
        (("setup passed", "call passed", "teardown failed"), "failed"),
        (("setup skipped",), "not shown"),
        (("setup passed", "call passed", "setup skipped"), "not shown"),
    ],
)
def test_a_fault_is_passed_only_where_its_tests_ran_and_passed(outcomes: tuple[str, ...], said: str) -> None:
    phases = (outcome.split() for outcome in outcomes)
    assert verdict([report(when, outcome) for when, outcome in phases]) == said
