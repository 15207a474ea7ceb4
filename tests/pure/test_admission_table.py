"""The controller's table of admission, row by row."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.envoy import AdmissionArgs
from components.envoy import cluster as configured
from components.envoy.admission import command, egress, files, limit_of_configuration
from components.envoy.admission.controller.limits import Decision, Load, decide, servers_in_use
from components.envoy.admission.controller.policy import CLUSTER, NEXT_CLUSTER, Policy
from components.envoy.admission.controller.prometheus import Prometheus, queue_ms_of
from stacks.schema.experiment import Admission
from testbed.authority import Authority
from testbed.polling import eventually
from testbed.prometheus_stub import PrometheusStub, vector
from tests.support.prometheus import NO_ANSWERS, answers

POLICY = Policy(
    credentials_folder=None,
    requests_in_flight_per_server_max=100,
    envoys=2,
    requests_max=400,
    queue_refuse_new_jobs_ms=100,
    prometheus_url="http://prometheus.example:9090",
    query="wait",
    admin_port=9901,
    weights={},
    spill_ms=None,
    spill_in_flight_per_server=0,
)


def policy(**changes: float | None) -> Policy:
    return Policy(**{**POLICY.__dict__, **changes})


def refused(queue_ms: float | None, *, in_flight: int = 0, refusing: bool = False) -> bool:
    return decide({CLUSTER: Load(in_flight, 4)}, queue_ms, POLICY, refusing=refusing).refuse_new_jobs


@pytest.mark.parametrize("case", answers())
@pytest.mark.parametrize("refusing", [False, True])
def test_only_a_fresh_and_long_wait_refuses_new_jobs(case: str, refusing: bool) -> None:
    """Any other answer admits new jobs, whatever was decided before."""
    answer, expected = answers()[case]
    assert refused(queue_ms_of(answer, now_seconds=time.time()), refusing=refusing) is expected


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_an_invalid_answer_of_prometheus_raises_an_error_that_the_controller_catches(answer: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        queue_ms_of(answer, now_seconds=time.time())


def test_prometheus_gets_the_header_that_it_requires(tmp_path: Path) -> None:
    (tmp_path / "header").write_text("Authorization")
    (tmp_path / "value").write_text("Bearer token")
    with PrometheusStub() as stub:
        stub.answer = vector("5")
        asking = Prometheus(replace(POLICY, prometheus_url=stub.url, credentials_folder=str(tmp_path)))
        asking.start()
        eventually(lambda: asking.queue_ms() == 5, "the controller reads the answer")
        assert stub.headers["authorization"] == "Bearer token"


def test_prometheus_is_known_by_the_authorities_of_the_site(tmp_path: Path) -> None:
    authority = Authority("site")
    (tmp_path / "header").write_text("Accept")
    (tmp_path / "value").write_text("application/json")
    (tmp_path / "ca.crt").write_text(authority.certificate)
    with PrometheusStub(authority.sign_host("localhost")) as stub:
        stub.answer = vector("5")
        asking = Prometheus(replace(POLICY, prometheus_url=stub.url, credentials_folder=str(tmp_path)))
        asking.start()
        eventually(lambda: asking.queue_ms() == 5, "the controller reads the answer")


def test_requests_in_progress_decide_when_the_wait_is_unknown() -> None:
    """The limit is 200: 100 for each of 4 servers, shared by 2 Envoys."""
    assert not refused(None, in_flight=179)
    assert refused(None, in_flight=180)


@pytest.mark.parametrize(
    ("queue_ms", "in_flight", "before", "expected"),
    [
        (100.0, 0, False, True),
        (99.9, 0, False, False),
        (99.9, 0, True, True),
        (50.0, 0, True, True),
        (49.9, 0, True, False),
        (0.0, 180, False, True),
        (0.0, 90, True, True),
        (0.0, 89, True, False),
        (None, 0, True, False),
    ],
)
def test_new_jobs_are_refused_until_the_load_is_below_half_of_the_threshold(
    queue_ms: float | None, in_flight: int, before: bool, expected: bool
) -> None:
    assert refused(queue_ms, in_flight=in_flight, refusing=before) is expected


def test_a_restarted_controller_admits_new_jobs_between_the_thresholds() -> None:
    assert not refused(75.0, refusing=False)


@pytest.mark.parametrize(("servers", "limit"), [(0, 50), (1, 50), (4, 200), (8, 400), (20, 400)])
def test_the_limit_follows_the_servers_up_to_the_configured_one(servers: int, limit: int) -> None:
    assert decide({CLUSTER: Load(0, servers)}, None, POLICY, refusing=False).requests_max == {CLUSTER: limit}


def test_nothing_is_refused_without_a_declaration() -> None:
    nothing = policy(requests_in_flight_per_server_max=None, queue_refuse_new_jobs_ms=None)
    decision = decide({CLUSTER: Load(10_000, 0)}, 1e9, nothing, refusing=False)
    assert decision == Decision({CLUSTER: 400}, refuse_new_jobs=False)


def test_the_clusters_of_two_pools_share_the_memory_and_are_full_together() -> None:
    full_and_empty = {CLUSTER: Load(190, 4), NEXT_CLUSTER: Load(0, 2)}
    decision = decide(full_and_empty, None, POLICY, refusing=False)
    assert decision == Decision({CLUSTER: 200, NEXT_CLUSTER: 100}, refuse_new_jobs=False)
    both_full = {CLUSTER: Load(190, 4), NEXT_CLUSTER: Load(80, 2)}
    assert decide(both_full, None, POLICY, refusing=False).refuse_new_jobs
    no_limit = policy(requests_in_flight_per_server_max=None)
    assert decide(both_full, None, no_limit, refusing=False).requests_max == {CLUSTER: 320, NEXT_CLUSTER: 210}


@given(
    in_flight=st.integers(0, 10_000),
    servers=st.integers(0, 100),
    queue_ms=st.none() | st.floats(0, 1e9),
    refusing=st.booleans(),
    per_server=st.none() | st.integers(1, 10_000),
    envoys=st.integers(2, 10),
)
def test_the_limit_is_at_least_one_and_at_most_the_configured_one(
    in_flight: int, servers: int, queue_ms: float | None, refusing: bool, per_server: int | None, envoys: int
) -> None:
    declared = policy(requests_in_flight_per_server_max=per_server, envoys=envoys)
    loads = {CLUSTER: Load(in_flight, servers)}
    decision = decide(loads, queue_ms, declared, refusing=refusing)
    assert 1 <= decision.requests_max[CLUSTER] <= declared.requests_max
    again = decide(loads, queue_ms, declared, refusing=decision.refuse_new_jobs)
    assert again == decision, "the same load, the same decision"


def hosts(priority: int, healthy: int, unhealthy: int = 0, unchecked: int = 0) -> list[dict[str, object]]:
    """Return hosts as Envoy's `/clusters?format=json` lists them: it omits priority 0 and false fields."""
    place = {"priority": priority} if priority else {}
    good = {"eds_health_status": "HEALTHY"}
    return [
        *({**place, "health_status": good} for _ in range(healthy)),
        *({**place, "health_status": {**good, "failed_active_health_check": True}} for _ in range(unhealthy)),
        *(
            {**place, "health_status": {**good, "failed_active_health_check": True, "pending_active_hc": True}}
            for _ in range(unchecked)
        ),
    ]


@pytest.mark.parametrize(
    ("pools", "servers"),
    [
        ([], 0),
        (hosts(0, 3), 3),
        (hosts(0, 3, unhealthy=1), 3),
        (hosts(0, 4) + hosts(1, 4), 4),
        (hosts(0, 3, unhealthy=1) + hosts(1, 4), 3),
        (hosts(0, 2, unhealthy=2) + hosts(1, 4), 6),
        (hosts(0, 0, unhealthy=4) + hosts(1, 4), 4),
        (hosts(0, 2, unchecked=8) + hosts(1, 4), 2),
        (hosts(0, 1, unhealthy=9) + hosts(1, 1, unhealthy=9) + hosts(2, 5), 7),
    ],
)
def test_healthy_servers_count_only_in_pools_that_get_requests(pools: list[dict[str, object]], servers: int) -> None:
    assert servers_in_use(pools) == servers


def arguments(**declared: float) -> AdmissionArgs:
    return AdmissionArgs(
        declared=Admission.model_validate(declared),
        servers_max=8,
        query="wait",
        prometheus_url="http://prometheus.example:9090",
        prometheus_peers=[{"podSelector": {}}],
        image="example.org/python:3.13",
    )


@pytest.mark.parametrize(
    ("declared", "limit"),
    [({}, 5000), ({"queue_refuse_new_jobs_ms": 500.0}, 5000)]
    + [({"requests_in_flight_per_server_max": most}, limit) for most, limit in [(100, 400), (2, 8), (10_000, 5000)]],
)
def test_the_configured_limit_is_that_of_the_maximum_number_of_servers(declared: dict[str, float], limit: int) -> None:
    assert limit_of_configuration(arguments(**declared), envoys=2, memory_max=5000) == limit


def test_the_controller_can_read_its_policy_file() -> None:
    made = files(arguments(requests_in_flight_per_server_max=100), envoys=2, memory_max=5000, admin_port=9901)
    read = Policy(**json.loads(made["admission.json"]))
    assert (read.requests_in_flight_per_server_max, read.envoys, read.requests_max) == (100, 2, 400)
    run = command(arguments(), folder="/folder", admin_port=9901)
    started = {word.removeprefix("/folder/") for word in run if word.startswith("/folder/")}
    assert started | {name for name in made if name.startswith("controller/")} == made.keys()


def test_egress_to_prometheus_is_allowed_only_with_a_declared_wait() -> None:
    (edge,) = egress(arguments(queue_refuse_new_jobs_ms=500.0))
    assert (edge.peers, edge.ports) == ([{"podSelector": {}}], [9090])
    assert egress(arguments(requests_in_flight_per_server_max=100)) == []


def test_egress_to_a_sites_prometheus_is_to_where_its_url_leads() -> None:
    url = "http://prometheus-server.cms.svc.cluster.local:80"
    (edge,) = egress(replace(arguments(queue_refuse_new_jobs_ms=500.0), prometheus_peers=[], prometheus_url=url))
    assert edge.rule("to")["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cms"}}}]


def test_the_controller_and_envoys_configuration_name_the_same_clusters() -> None:
    """The controller imports nothing of the program, since a pod runs it as it is."""
    assert (CLUSTER, NEXT_CLUSTER) == (configured.CLUSTER, configured.NEXT_CLUSTER)
