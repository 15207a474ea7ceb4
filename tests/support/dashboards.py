"""A stack with everything that a dashboard can show, and its queries as Prometheus gets them from Grafana."""

import re
from collections.abc import Iterator, Mapping

from components.autoscaling import Trigger
from components.dashboards import StackFacts, fleet_board, stack_board
from components.dashboards.board import Board, Query
from components.pod import deployment_pod_pattern
from components.server_pool import MetricTarget, Queue, ScaleTarget
from components.triton.slurm_pool import tunnel_pod_pattern
from stacks.schema.clients import Clients, Tenant, TokenClients, TokenIssuer
from tests.support.server_pools import a_pool

INSTANCE, NAMESPACE = "sonic-demo", "sonic-demo"
GPU = a_pool(
    host="gpu",
    name="gpu",
    pod_pattern=deployment_pod_pattern("sonic-demo-triton-gpu"),
    scale_target=ScaleTarget(
        namespace=NAMESPACE,
        api_version="apps/v1",
        kind="Deployment",
        name="sonic-demo-triton-gpu",
        labels={},
        servers_min=1,
        servers_max=4,
    ),
)
HAMMER = a_pool(
    host="hammer",
    name="hammer",
    priority=1,
    metrics=MetricTarget(name="tunnel-metrics", namespace=NAMESPACE, labels={}, port=8002, path="/metrics"),
    pod_pattern=tunnel_pod_pattern("sonic-demo-triton-hammer", NAMESPACE),
    queue=Queue(virtual_node="interlink-hammer", wait_seconds=600, start_seconds=300),
)
WAITING = Trigger(
    name="waiting",
    query=f'sum(nv_inference_pending_request_count{{namespace="{NAMESPACE}",pod=~"{GPU.pod_pattern}"}})',
    threshold=10,
)
CLIENTS: Clients = TokenClients(
    kind="token",
    issuers=(
        TokenIssuer(
            issuer="https://issuer.example/realm",
            audiences=("sonic",),
            jwks_url="https://issuer.example/keys",
            groups=("/cms",),
        ),
    ),
    tenants=(Tenant(name="production", groups=("/cms/production",)),),
)
FACTS = StackFacts(
    instance=INSTANCE,
    namespace=NAMESPACE,
    pools=(GPU, HAMMER),
    envoys=deployment_pod_pattern("sonic-demo-envoy"),
    triggers={"gpu": (WAITING,)},
    clients=CLIENTS,
    agents=frozenset({"interlink-hammer"}),
)

_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$model": ".*", "$namespace": ".*"}


def boards() -> Mapping[str, Board]:
    """Role -> the dashboard."""
    return {"stack": stack_board.board(FACTS), "fleet": fleet_board.board()}


def queries(board: Board) -> Iterator[tuple[str, Query]]:
    """Yield the title of the panel and each of its queries."""
    for panel in board.panels:
        for query in panel.queries:
            yield panel.title, query


def promql(expression: str) -> str:
    """Return a query with Grafana's variables replaced: all models and namespaces, an hour."""
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def names_in(expression: str) -> set[str]:
    """Return the names of the series in a query, each of which has a selector."""
    return set(re.findall(r"([a-zA-Z_:][\w:]*)\{", expression))
