"""Plugin of pytest for `make chaos`: one row for each fault; one without a test that passed fails the run.

python -m pytest -m chaos -p tests.support.chaos_table
"""

from collections import defaultdict
from collections.abc import Iterable

import pytest

from tests.support.chaos import Fault

_fault_of: dict[str, Fault] = {}
_reports: dict[Fault, list[pytest.TestReport]] = defaultdict(list)


def verdict(reports: Iterable[pytest.TestReport]) -> str:
    """`passed`, `failed`, or `not shown` where no test ran to its end."""
    outcomes = {(report.when, report.outcome) for report in reports}
    if any(outcome == "failed" for _, outcome in outcomes):
        return "failed"
    skipped = any(outcome == "skipped" for _, outcome in outcomes)
    return "passed" if ("call", "passed") in outcomes and not skipped else "not shown"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which test proves which fault."""
    for item in session.items:
        for marker in item.iter_markers("chaos"):
            _fault_of[item.nodeid] = marker.args[0]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the report of each phase of a test."""
    if report.nodeid in _fault_of:
        _reports[_fault_of[report.nodeid]].append(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if the test of a fault did not pass."""
    if session.exitstatus == pytest.ExitCode.OK and any(verdict(_reports[fault]) != "passed" for fault in Fault):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    width = max(len(fault.title) for fault in Fault)
    expectation = max(len(fault.expectation) for fault in Fault)
    terminalreporter.write_line(f"\n{'fault':{width}}  {'expected':{expectation}}  {'verdict':9}  seconds")
    for fault in Fault:
        reports = _reports[fault]
        spent = sum(report.duration for report in reports)
        row = f"{fault.title:{width}}  {fault.expectation:{expectation}}  {verdict(reports):9}  {spent:7.1f}"
        terminalreporter.write_line(row)
    total = sum(report.duration for reports in _reports.values() for report in reports)
    terminalreporter.write_line(f"{'':{width}}  {'':{expectation}}  {'all':>9}  {total:7.1f}")
