"""Traps of interLink and Slurm, and the rule or the test that keeps each away.

The numbers are those of a survey of Purdue's configuration (traps 1 to 22), and of a run of interLink 0.7.0-pre2 with
its Slurm plugin 0.6.2-pre5 before a real Slurm (N1 to N14). A trap that no configuration can bring back has a test of
what is rendered; one that a patch, a site's own interLink or another outside fact can bring back has a rule too.
"""

import ast
from functools import cache
from typing import NamedTuple

import pytest

from stacks.resolve import ROOT
from tests.support.alert_cases import CASES as ALERT_CASES
from tests.support.config_cases import CASES

_EXPECT = "# expect: "


class Refused(NamedTuple):
    """A rule of `python -m stacks check`, with a configuration that it refuses."""

    file: str
    """File below tests/config/error."""
    sentence: str
    """Part of a sentence that refuses it."""

    def holds(self) -> bool:
        lines = (CASES / "error" / f"{self.file}.yaml").read_text().splitlines()
        return any(line.startswith(_EXPECT) and self.sentence in line for line in lines)


class Proof(NamedTuple):
    """A test of what is rendered, or of a rule of `python -m stacks fit` with a cluster that does not fit."""

    file: str
    """File below tests."""
    function: str
    """Its test."""
    case: str = ""
    """Text in the file that only this case of the test has."""

    def holds(self) -> bool:
        return self.function in names_of_tests(self.file) and self.case in (ROOT / "tests" / self.file).read_text()


class Alert(NamedTuple):
    """An alert, with a case of it in the tests of the rules."""

    name: str
    """Its name."""

    def holds(self) -> bool:
        return any(self.name in case.alerts for case in ALERT_CASES.values())


class Said(NamedTuple):
    """A limit that nothing here can lift, on a page."""

    page: str
    """File below docs."""
    text: str
    """Part of it."""

    def holds(self) -> bool:
        return self.text in (ROOT / "docs" / self.page).read_text()


@cache
def names_of_tests(file: str) -> frozenset[str]:
    """Return the tests of a file, but for those that may be skipped."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any("skip" in ast.unparse(each) or "xfail" in ast.unparse(each) for each in node.decorator_list)
    )


def patch(sentence: str) -> Refused:
    return Refused("site.patch-that-jobs-misread", sentence)


def promised(field: str) -> Refused:
    return Refused("site.patch-of-jobs-that-a-key-promises", f"{field}`, which another key promises")


def pool(function: str) -> Proof:
    return Proof("graph/test_slurm_pool.py", function)


def template(function: str) -> Proof:
    return Proof("pure/test_tunnel_template.py", function)


def files(function: str) -> Proof:
    return Proof("pure/test_virtual_node_files.py", function)


def chart(case: str) -> Proof:
    """A virtual kubelet of somebody else, whose configuration `fit` compares."""
    return Proof("graph/test_fit_interlink.py", "test_what_brings_a_trap_back_is_told", case)


def agent(kind: str) -> tuple[Proof, ...]:
    """A finding of the agent. A node without an agent gets a remark."""
    return (
        Proof("pure/test_slurm_agent.py", "test_what_slurm_and_kubernetes_disagree_on_is_found", f'("{kind}", '),
        Proof("pure/test_slurm_agent.py", "test_an_agent_that_acts_ends_every_disagreement"),
        Proof("pure/test_remarks.py", "test_a_virtual_node_that_no_agent_looks_after_gets_a_remark"),
    )


NOTHING_MISREAD = pool("test_a_pod_has_nothing_that_the_plugin_drops_or_misreads")
NO_SERVICE_FINDS_IT = pool("test_no_service_of_the_stack_finds_a_virtual_pod")
READY_AS_THE_SERVER = template("test_a_tunnel_pod_is_ready_when_the_server_behind_it_is")
DRAIN = Proof("loopback/test_slurm_job.py", "test_a_cancelled_job_leaves_the_balancer_then_finishes_then_stops")
OTHER_SERVICES = Proof("graph/test_fit_interlink.py", "test_a_service_of_others_does_not_select_servers_in_jobs")
PATIENCE = pool("test_an_update_waits_as_long_as_a_job_may_wait_in_the_queue")

TRAPS: dict[str, tuple[Refused | Proof | Alert | Said, ...]] = {
    "1": (NOTHING_MISREAD, promised("startupProbe.httpGet.port")),
    "2": (NOTHING_MISREAD, promised("readinessProbe.grpc.port"), promised("lifecycle.preStop.exec.command")),
    "3": (
        NO_SERVICE_FINDS_IT,
        READY_AS_THE_SERVER,
        Refused("site.patch-of-jobs-that-a-key-promises", "Service/triton/slurm changes `spec.selector"),
        chart("plugin_with(EnableProbes=False)"),
    ),
    "4": (
        pool("test_the_request_is_long_flags_of_one_word_each_once"),
        Refused("site.jobs-without-their-gpus", "so that its servers would see none"),
        Refused("site.pool-of-jobs-misdescribed", "gpu.gres"),
    ),
    "5": (
        pool("test_limits_are_the_request_for_cpus_and_memory_and_the_scheduler_counts_nothing"),
        promised("resources.limits.memory"),
        patch("slurm-job.vk.io/flags"),
    ),
    "6": (
        pool("test_a_job_is_of_the_user_that_the_pool_names"),
        files("test_only_a_plugin_that_submits_for_others_is_root_and_the_api_reaches_it_still"),
        Refused("site.jobs-of-another-user-than-the-plugin", "Slurm takes `sbatch --uid` of root alone"),
        Refused("stack.jobs-of-root", "virtual node `hammer` is root"),
        Refused("stack.jobs-of-root", "virtual node `edge` is root"),
        patch("the plugin makes `sbatch --uid` of it"),
    ),
    "7": (*agent("orphan-job"), Proof("pure/test_slurm_agent.py", "test_a_job_that_slurm_would_refuse_is_no_forecast")),
    "8": (NO_SERVICE_FINDS_IT, *agent("lost-pod")),
    "9": (
        Proof("loopback/test_slurm_job.py", "test_two_jobs_on_one_host_have_two_addresses"),
        Proof("loopback/test_slurm_job.py", "test_a_probe_reaches_the_server_of_its_own_job"),
        pool("test_the_server_listens_at_the_address_of_its_job_alone"),
        Refused("stack.jobs-with-variables-of-slurm", "sets SONIC_ADDRESS"),
        Refused("experiment.flags-of-the-program", "--http-port=80"),
        Refused("site.virtual-node-whose-runtime-options-mislead", '"--net": a server in a network of its own'),
        patch("env.SONIC_ADDRESS"),
    ),
    "10": (
        DRAIN,
        template("test_a_deleted_tunnel_stays_as_long_as_its_server_drains"),
        chart("template_of_the_chart"),
        chart('plugin_with(ScancelPath="/usr/bin/scancel")'),
    ),
    "11": (DRAIN, Refused("site.jobs-whose-times-do-not-fit", "but Slurm kills a cancelled job after 30 s")),
    "12": (NO_SERVICE_FINDS_IT, PATIENCE),
    "13": agent("ended-pod"),
    "14": (
        template("test_wstunnel_takes_reverse_tunnels_of_three_ports_by_the_prefix_alone"),
        template("test_the_secret_prefix_of_a_wstunnel_is_in_no_command_and_no_log"),
        files("test_the_virtual_kubelet_logs_no_prefix_of_a_wstunnel"),
        Proof("loopback/test_tunnel_sshd.py", "test_a_job_reaches_nothing_of_the_cluster"),
        pool("test_envoy_reaches_tunnel_pods_and_these_reach_nobody"),
        Refused("site.virtual-node-fields", "tunnel.client_sha256"),
        patch("NetworkPolicy/triton/slurm changes `spec.egress`"),
        chart("network_with(WstunnelCommand=CHART_COMMAND)"),
    ),
    "15": (
        template("test_wstunnel_is_reached_by_tls_only"),
        chart("template_of_the_chart"),
        chart('network_with(WildcardDNS="other.example.org")'),
    ),
    "16": (Refused("site.pool-of-jobs-with-a-long-name", "where Kubernetes takes 63"),),
    "17": (READY_AS_THE_SERVER,),
    "18": (
        NOTHING_MISREAD,
        Refused("stack.jobs-that-mount-no-volume", "mount no volume of the cluster"),
        Refused("stack.jobs-with-what-only-pods-have", "experiment.server.data is set"),
        patch("spec.volumes.calibration"),
    ),
    "19": (
        pool("test_the_service_finds_tunnel_pods_of_its_pool_and_no_virtual_pod"),
        OTHER_SERVICES,
        patch("interlink.eu/shadow-same-ns"),
    ),
    "20": (
        pool("test_a_pod_is_on_its_node_and_stays_while_interlink_is_away"),
        Proof("live/slurm/test_slurm_lost_parts.py", "test_servers_outlive_their_virtual_kubelet"),
        Alert("SonicVirtualNodeNotReady"),
    ),
    "21": (
        Proof("pure/test_diagnosis_jobs.py", "test_jobs_that_fail_again_and_again_end_the_update"),
        Alert("SonicSlurmJobEndedEarly"),
    ),
    "22": (
        Refused("site.virtual-node-whose-runtime-options-mislead", '"plugin:latest": an image must be pinned'),
        chart("latest_image"),
    ),
    "N1": (DRAIN, patch("slurm-job.vk.io/pre-exec"), chart('plugin_with(ScancelPath="/usr/bin/scancel")')),
    "N2": (NO_SERVICE_FINDS_IT, PATIENCE),
    "N3": (
        pool("test_a_pod_is_on_its_node_and_stays_while_interlink_is_away"),
        patch("spec.template.spec.tolerations"),
        *agent("orphan-job"),
    ),
    "N4": (
        pool("test_the_tunnel_is_in_the_namespace_and_its_key_pair_is_not_the_jobs"),
        patch("the tunnel of each job depends on it"),
        chart("network_with(EnableTunnel=False)"),
    ),
    "N5": (
        pool("test_the_service_finds_tunnel_pods_of_its_pool_and_no_virtual_pod"),
        Proof("live/slurm/test_slurm_stack.py", "test_a_replaced_tunnel_pod_loses_no_call"),
        OTHER_SERVICES,
    ),
    "N6": (files("test_the_plugin_shares_the_files_of_jobs_with_them"), chart("files_to_itself")),
    "N7": (pool("test_a_deleted_pod_goes_soon"), patch("terminationGracePeriodSeconds")),
    "N8": agent("lost-pod"),
    "N9": (
        pool("test_limits_are_the_request_for_cpus_and_memory_and_the_scheduler_counts_nothing"),
        files("test_the_node_offers_its_whole_capacity_while_slurm_answers"),
        Proof("graph/test_fit.py", "test_a_virtual_node_is_connected_and_offers_its_whole_capacity", "cpu 118 of 128"),
        chart('plugin_with(ResourceScriptPath="")'),
    ),
    "N10": (Proof("pure/test_diagnosis_jobs.py", "test_the_cause_of_a_failed_job_is_slurms_own", "its time limit"),),
    "N11": (
        Proof("loopback/test_slurm_job.py", "test_a_node_that_sets_no_tunnel_is_named_in_the_jobs_output"),
        chart("network_with(WstunnelCommand=CHART_COMMAND)"),
    ),
    "N12": (
        pool("test_the_request_is_long_flags_of_one_word_each_once"),
        Refused("site.pool-of-jobs-misdescribed", "must be a name of Slurm"),
        patch("slurm-job.vk.io/flags"),
    ),
    "N13": agent("leaked-tunnel"),
    "N14": (Said("slurm.md", "`kubectl exec`"), Said("slurm.md", "gone with the pod")),
}
"""Number of a trap -> what keeps it away."""


def test_every_trap_is_there() -> None:
    assert list(TRAPS) == [*map(str, range(1, 23)), *(f"N{number}" for number in range(1, 15))]


@pytest.mark.parametrize("trap", TRAPS)
def test_what_keeps_a_trap_away_is_there(trap: str) -> None:
    assert TRAPS[trap]
    assert [each for each in TRAPS[trap] if not each.holds()] == []


def test_only_what_no_rule_can_prevent_is_left_to_a_page() -> None:
    assert [trap for trap, kept in TRAPS.items() if all(isinstance(each, Said) for each in kept)] == ["N14"]
