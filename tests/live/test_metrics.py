"""What the stack's own Prometheus has, and what its account may do."""

from collections.abc import Callable

import pytest

from components import queries
from components.server_pool import ServerPool
from devcluster.errors import DevClusterError
from tests.support.dev_stack import PROMETHEUS, DevStack, eventually

pytestmark = pytest.mark.live


@pytest.fixture
def dev() -> DevStack:
    return DevStack()


@pytest.mark.parametrize("component", ["triton", "envoy"])
def test_every_ready_pod_is_scraped(dev: DevStack, component: str) -> None:
    def scraped() -> bool:
        up = {element["metric"]["pod"] for element in dev.query(f'up{{component="{component}"}} == 1')}
        return bool(up) and up == dev.ready_pod_names(component)

    eventually(scraped, f"`up` of every ready {component} pod, and of no other", timeout_seconds=60)


def test_the_servers_metrics_say_whose_they_are(dev: DevStack) -> None:
    elements = dev.query("nv_inference_pending_request_count")
    models = {model.name for model in dev.config.experiment.models.expected}
    assert {element["metric"]["model"] for element in elements} == models
    for element in elements:
        assert element["metric"]["namespace"] == dev.namespace
        assert element["metric"]["pool"] == "node"
        assert element["metric"]["component"] == "triton"
        assert element["metric"]["pod"].startswith(dev.deployment)


def test_the_proxies_metrics_say_whose_they_are(dev: DevStack) -> None:
    elements = dev.query('{__name__=~"envoy_cluster_upstream_rq.*",envoy_cluster_name!="admin"}')
    assert {element["metric"]["pod"] for element in elements} == dev.ready_pod_names("envoy")
    assert {element["metric"]["namespace"] for element in elements} == {dev.namespace}


@pytest.mark.parametrize(
    "query",
    [
        lambda pool: queries.waiting_work_ms(pool, service_time_ms=10),
        lambda pool: queries.busy_servers(pool, executions_per_server=1),
    ],
    ids=["waiting work", "busy servers"],
)
def test_the_autoscalers_queries_have_one_element(dev: DevStack, query: Callable[[ServerPool], str]) -> None:
    (element,) = dev.query(query(dev.server_pool))
    assert element["metric"] == {}
    assert float(element["value"][1]) >= 0


@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "allowed"),
    [
        ("list", "pods", "sonic-dev", True),
        ("watch", "pods", "sonic-dev", True),
        ("delete", "pods", "sonic-dev", False),
        ("get", "secrets", "sonic-dev", False),
        ("list", "pods", "kube-system", False),
    ],
)
def test_the_account_reads_pods_of_the_namespace(
    dev: DevStack, verb: str, resource: str, namespace: str, *, allowed: bool
) -> None:
    account = f"system:serviceaccount:{dev.namespace}:{PROMETHEUS}"
    command = ("auth", "can-i", verb, resource, f"--as={account}", f"--namespace={namespace}")
    try:
        answer = dev.kubectl.run(*command).strip()
    except DevClusterError:  # kubectl exits 1 on `no`
        answer = "no"
    assert (answer == "yes") is allowed
