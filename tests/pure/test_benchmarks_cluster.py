"""The benchmark with pods: its scenarios, its two sides, and the states of a Deployment."""

from typing import Any, ClassVar

import pytest

from benchmarks import peer
from benchmarks.cluster.deployed_sides import SERVERS, ours, peer_values, supersonic
from benchmarks.cluster.pod_events import LEAD_SECONDS, PodEvent
from benchmarks.cluster.release import at_rest, healthy_members, restarts
from benchmarks.cluster.scenario import PodDisturbance, scenarios
from benchmarks.loopback.arrivals import arrivals
from components.timing import ServerTiming
from stacks.resolve import resolve
from tests.support.stacks import recorded

CONFIG = resolve("dev").config
OURS = ours(CONFIG)
VALUES = peer_values(CONFIG)
THEIRS = supersonic(VALUES)


def times(event: PodEvent) -> list[float]:
    return arrivals("poisson", event.rate_per_second, event.duration_seconds, 1)


def theirs_manifest(name: str) -> dict[str, Any]:
    (found,) = [m for m in peer.objects(VALUES) if (m["kind"], m["metadata"]["name"]) == ("Deployment", name)]
    return found


def manifest(name: str, kind: str = "Deployment") -> dict[str, Any]:
    (found,) = [m for m in recorded("dev").manifests() if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return dict(found)


def container(deployment: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == name]
    return dict(found)


class TestPlan:
    def test_thirty_thousand_requests_meet_ten_planned_stops_of_servers(self) -> None:
        stops = [
            planned for planned in scenarios(quick=False) if planned.event.name in ("pods-rollout", "pods-scale-in")
        ]
        assert sum(planned.pairs * planned.event.stops for planned in stops) >= 10
        assert sum(planned.pairs * len(times(planned.event)) for planned in stops) >= 30_000

    def test_a_quick_run_is_a_part_of_the_full_one(self) -> None:
        names = {planned.event.name for planned in scenarios(quick=False)}
        assert {planned.event.name for planned in scenarios(quick=True)} < names

    @pytest.mark.parametrize("planned", scenarios(quick=False), ids=lambda planned: planned.event.name)
    def test_requests_run_until_the_last_server_of_ours_has_left(self, planned: PodDisturbance) -> None:
        timing = ServerTiming.of(CONFIG.experiment.traffic, dns_ttl_seconds=CONFIG.site.dns_ttl_seconds)
        assert planned.event.duration_seconds - LEAD_SECONDS > 2 * timing.pre_stop_seconds

    def test_both_sides_get_the_same_requests(self) -> None:
        event = scenarios(quick=True)[0].event
        theirs, own = (event.load(side.target, 7) for side in (THEIRS, OURS))
        assert theirs.to("") == own.to("")
        assert theirs.targets != own.targets


class TestSides:
    def test_our_side_names_the_rendered_objects_of_the_stack(self) -> None:
        assert manifest(OURS.servers)["metadata"]["namespace"] == OURS.namespace
        assert manifest(OURS.envoys)["metadata"]["namespace"] == OURS.namespace
        ports = [port["nodePort"] for port in manifest(OURS.envoys, "Service")["spec"]["ports"] if "nodePort" in port]
        assert [f"127.0.0.1:{port}" for port in ports] == [OURS.target]

    def test_their_side_names_the_objects_of_the_peer(self) -> None:
        deployments = {m["metadata"]["name"]: m for m in peer.objects(VALUES) if m["kind"] == "Deployment"}
        assert deployments.keys() == {THEIRS.servers, THEIRS.envoys}
        assert {m["metadata"]["namespace"] for m in deployments.values()} == {THEIRS.namespace}
        assert THEIRS.namespace != OURS.namespace

    def test_both_run_the_same_images_within_the_same_limits(self) -> None:
        pairs = [
            (container(theirs_manifest(THEIRS.servers), "triton-server"), container(manifest(OURS.servers), "triton")),
            (container(theirs_manifest(THEIRS.envoys), "envoy"), container(manifest(OURS.envoys), "envoy")),
        ]
        for theirs, own in pairs:
            assert theirs["image"] == own["image"]
            for limited in ("cpu", "memory"):
                assert theirs["resources"]["limits"][limited] == own["resources"]["limits"][limited]

    def test_both_sides_start_with_the_same_number_of_servers(self) -> None:
        assert theirs_manifest(THEIRS.servers)["spec"]["replicas"] == SERVERS


class TestRest:
    DEPLOYMENT: ClassVar[dict[str, Any]] = {
        "metadata": {"generation": 4},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 4, "updatedReplicas": 3, "availableReplicas": 3},
    }

    def test_a_deployment_with_all_pods_new_and_available_is_at_rest(self) -> None:
        assert at_rest(self.DEPLOYMENT, [{}] * 3, 3)

    @pytest.mark.parametrize(
        ("status", "pods", "count"),
        [
            ({"observedGeneration": 3}, 3, 3),
            ({"updatedReplicas": 2}, 3, 3),
            ({"availableReplicas": 2}, 3, 3),
            ({}, 4, 3),
            ({}, 3, 1),
        ],
        ids=["not seen yet", "one is old", "one is not available", "one is leaving", "to be scaled in"],
    )
    def test_a_deployment_in_change_is_not_at_rest(self, status: dict[str, int], pods: int, count: int) -> None:
        deployment = self.DEPLOYMENT | {"status": self.DEPLOYMENT["status"] | status}
        assert not at_rest(deployment, [{}] * pods, count)


def test_healthy_servers_are_read_from_the_metrics_of_envoy() -> None:
    metrics = """# TYPE envoy_cluster_membership_healthy gauge
envoy_cluster_membership_healthy{envoy_cluster_name="admin"} 1
envoy_cluster_membership_healthy{envoy_cluster_name="servers"} 3
"""
    assert healthy_members(metrics, "servers") == 3
    assert healthy_members("", "servers") == 0


def test_restarts_are_the_sum_over_all_containers() -> None:
    assert restarts({"status": {"containerStatuses": [{"restartCount": 1}, {"restartCount": 2}]}}) == 3
    assert restarts({"status": {}}) == 0
