"""Alerts of a stack: each fires for its cause and for nothing else, and has a section in the runbook."""

import re
from pathlib import Path
from typing import Any

import pytest

from components.monitoring.rules import RUNBOOK, RuleFacts, groups
from stacks.resolve import ROOT
from tests.support.alert_cases import CASES, HEALTHY, MISSING
from tests.support.rule_tests import GPU, RuleTest, facts, firing, run
from tests.support.stacks import STACKS, rules_of


@pytest.mark.parametrize("cause", CASES)
def test_a_cause_raises_its_alerts_and_no_other(cause: str, tmp_path: Path) -> None:
    case = CASES[cause]
    run(tmp_path, case.stack, RuleTest(cause, {**HEALTHY, **case.changes}, [firing(case.alerts, "60m")]))


def test_a_healthy_stack_raises_none(tmp_path: Path) -> None:
    run(tmp_path, facts(), RuleTest("healthy", HEALTHY, [firing(set(), f"{minute}m") for minute in (1, 10, 60)]))


def test_what_lasts_for_a_minute_raises_none(tmp_path: Path) -> None:
    """The first minute of each cause. Certificates do not come back."""
    for stack in {id(case.stack): case.stack for case in CASES.values()}.values():
        cases = {name: case for name, case in CASES.items() if case.stack is stack}
        lasting = {name: case for name, case in cases.items() if case.alerts != {"SonicCertificateEnded"}}
        tests = [RuleTest(name, {**HEALTHY, **case.changes}, [firing(set(), "1m")]) for name, case in lasting.items()]
        run(tmp_path, stack, *tests)


def test_a_metric_that_is_missing_raises_no_alert_but_those_that_tell(tmp_path: Path) -> None:
    names = sorted({series.partition("{")[0] for series in HEALTHY})
    assert MISSING.keys() <= set(names)
    tests = []
    for name in names:
        rest = {series: values for series, values in HEALTHY.items() if not series.startswith(f"{name}{{")}
        tests.append(RuleTest(name, rest, [firing(MISSING.get(name, set()), "60m")]))
    run(tmp_path, facts(), *tests)


def test_a_prometheus_without_series_says_that_it_reads_nothing(tmp_path: Path) -> None:
    run(tmp_path, facts(), RuleTest("nothing", {}, [firing({"SonicEnvoySilent", "SonicSlurmAgentSilent"}, "60m")]))


def test_what_two_jobs_scrape_counts_once(tmp_path: Path) -> None:
    twice = {**HEALTHY, **{name.replace("}", ',job="another"}'): values for name, values in HEALTHY.items()}}
    run(tmp_path, facts(), RuleTest("healthy", twice, [firing(set(), "60m")]))
    overdue = {name: "3x90" for name in twice if name.startswith("sonic_janitor_overdue")}
    run(tmp_path, facts(), RuleTest("overdue", {**twice, **overdue}, [firing({"SonicSlurmLeftovers"}, "60m")]))


def alerts_of(rule_groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in rule_groups for rule in group["rules"] if "alert" in rule}


def sections() -> dict[str, str]:
    """Return the text of each section of the runbook that is named as an alert is."""
    parts = re.split(r"^#+ (.+)$", (ROOT / RUNBOOK).read_text(), flags=re.MULTILINE)
    return {title: text for title, text in zip(parts[1::2], parts[2::2], strict=True) if title.startswith("Sonic")}


def test_every_alert_of_every_stack_has_a_cause_here_and_a_section_in_the_runbook() -> None:
    caused = set().union(*(case.alerts for case in CASES.values()))
    of_stacks = {name: rule for stack in STACKS for name, rule in alerts_of(rules_of(stack)).items()}
    known = alerts_of(groups(facts()))
    for name in sorted(known | of_stacks):
        causes = [cause for cause, case in CASES.items() if name in case.alerts]
        print(f"{name}: {len(causes)} causes, {len(sections().get(name, '').split())} words in the runbook")
    assert of_stacks.keys() <= caused
    assert known.keys() == caused
    assert sorted(sections()) == sorted(caused)


def test_an_alert_leads_to_its_section_which_begins_with_its_severity() -> None:
    for stack in (facts(), *(case.stack for case in CASES.values())):
        for name, rule in alerts_of(groups(stack)).items():
            assert rule["annotations"]["runbook"] == f"{RUNBOOK}#{name.lower()}"
            row = rf"^\| \[{name}\]\(#{name.lower()}\) \| {rule['labels']['severity']} \|"
            assert re.search(row, (ROOT / RUNBOOK).read_text(), re.MULTILINE), f"{name} has no row with its severity"


def test_each_lost_part_of_a_slurm_pool_has_an_alert() -> None:
    _, _, text = (ROOT / "docs/slurm.md").read_text().partition("## Lost parts\n")
    _, _, *rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    assert len(rows) > 5
    for row in rows:
        _, part, _, _, alerts, _, _ = row.split("|")
        named = set(re.findall(r"Sonic\w+", alerts))
        assert named, f"{part} has no alert"
        assert named <= names(facts())


def names(stack: RuleFacts) -> set[str]:
    return set(alerts_of(groups(stack)))


def test_a_stack_has_no_alert_on_what_it_does_not_have() -> None:
    everything = names(facts())
    assert everything - names(facts(tls=False)) == {"SonicCertificateEnding", "SonicCertificateEnded"}
    assert everything - names(facts(tokens=False)) == {"SonicIssuerKeysNotFetched"}
    assert everything - names(facts(limited=False)) == {"SonicClientsRefused"}
    assert everything - names(facts(models=())) == {"SonicModelMissing"}
    assert everything - names(facts(pools=(GPU,), agents=frozenset())) > {"SonicPoolWithoutServers"}
    assert not [name for name in names(facts(agents=frozenset())) if name.startswith(("SonicSlurm", "SonicInterlink"))]
