"""The dashboard of all stacks whose series are in one Prometheus.

A pod's name begins with its stack's instance, so no label of a site's own is needed: `sonic-cms-triton-gpu-…` is a
server of `sonic-cms`, `wstunnel-sonic-cms-triton-…` one in a Slurm job, and `sonic-cms-envoy-…` a proxy.
"""

from components import queries
from components.dashboards.board import Board, Panel, Query, Row, Shape, Unit, Variable
from components.dashboards.demand import INFER, NOT_OK, PENDING, SUCCESS
from components.dashboards.families import CHOSEN, WINDOW, ratio
from components.envoy.refusals import TO_SERVERS

UID = "sonic-fleet"
_SERVERS = 'namespace=~"$namespace",pod=~"(wstunnel-)?sonic-.+-triton-.+"'
_PROXIES = f'namespace=~"$namespace",pod=~"sonic-.+-envoy-.+",{TO_SERVERS}'
_OF_SERVER, _OF_PROXY = "(?:wstunnel-)?(sonic-.+?)-triton-.+", "(sonic-.+?)-envoy-.+"
"""Patterns of a pod's name, with the instance as their group."""
_STACK = "namespace, sonic_instance"
_LEGEND = "{{sonic_instance}} in {{namespace}}"


def board() -> Board:
    """Return the dashboard of all stacks."""
    return Board(
        uid=UID,
        title="SONIC fleet",
        description="All SONIC stacks whose series are in this Prometheus.",
        variables=(Variable(name="namespace", series=f'{SUCCESS}{{pod=~".*sonic-.+-triton-.+"}}', label="namespace"),),
        rows=(
            Row(title="Stacks", panels=(_servers(), *_demand())),
            Row(title="Latency and failures", panels=tuple(_troubles())),
            Row(title="GPUs in the chosen time", panels=tuple(_gpus())),
        ),
    )


def _servers() -> Panel:
    return _panel(
        "Servers by stack",
        "Servers whose metrics are read.",
        f"count by ({_STACK}) (count by (pod, {_STACK}) ({_stack_of(_series(PENDING), _OF_SERVER)}))",
    )


def _demand() -> tuple[Panel, ...]:
    return (
        _panel(
            "Requests per second by stack",
            "Requests that the servers answered. The steps of an ensemble count beside it.",
            _models(_rate(SUCCESS)),
            Unit.REQUESTS_PER_SECOND,
        ),
        _panel("Waiting requests by stack", "Requests in the queues of the servers.", _models(_series(PENDING))),
    )


def _troubles() -> tuple[Panel, ...]:
    requests = _models(_rate(SUCCESS))
    parts = " + ".join(_rate(f"nv_inference_compute_{part}_duration_us") for part in queries.COMPUTE_PARTS)
    calls, failed = _calls(INFER), _calls(INFER, NOT_OK)
    return (
        _panel(
            "Time in the queue by stack",
            "Mean wait of a request in the queue of its server.",
            ratio(_models(_rate("nv_inference_queue_duration_us")), requests, "/ 1e6"),
            Unit.SECONDS,
        ),
        _panel(
            "Compute time by stack",
            "Mean time of a request in execution.",
            ratio(_models(parts), requests, "/ 1e6"),
            Unit.SECONDS,
        ),
        _panel(
            "Failed calls by stack",
            "Fraction of the ModelInfer calls that a proxy refused or a server failed.",
            f"({failed} or {calls} * 0) / ({calls} > 0)",
            Unit.FRACTION,
        ),
    )


def _gpus() -> tuple[Panel, ...]:
    used = _stack_of(f"nv_gpu_utilization{{{_SERVERS}}}", _OF_SERVER)
    count = f"count by ({_STACK}) (count by (gpu_uuid, {_STACK}) ({used}))"
    power = _stack_of(f"rate(nv_energy_consumption{{{_SERVERS}}}[5m])", _OF_SERVER)
    watts = f"sum by ({_STACK}) (max by (gpu_uuid, {_STACK}) ({power}))"
    return (
        _panel(
            "GPU utilisation by stack",
            "Mean fraction of the time in which a GPU computes anything.",
            f"avg by ({_STACK}) (max by (gpu_uuid, {_STACK}) ({used}))",
            Unit.FRACTION,
        ),
        _panel(
            "GPU hours by stack",
            "GPUs that servers report, each once, x time.",
            queries.hours(f"sum_over_time(({count})[{CHOSEN}:60s])", 60),
            Unit.HOURS,
            Shape.NUMBERS,
        ),
        _panel(
            "Energy by stack",
            "Energy of the GPUs, each once.",
            queries.kilowatt_hours(f"sum_over_time(({watts})[{CHOSEN}:60s])", 60),
            Unit.KILOWATT_HOURS,
            Shape.NUMBERS,
        ),
    )


def _panel(title: str, description: str, expression: str, unit: Unit = Unit.COUNT, shape: Shape = Shape.LINES) -> Panel:
    query = Query(expression=expression, legend=_LEGEND)
    return Panel(title=title, description=description, queries=(query,), unit=unit, shape=shape)


def _series(name: str) -> str:
    return f"{name}{{{_SERVERS}}}"


def _rate(name: str) -> str:
    return f"rate({_series(name)}[{WINDOW}])"


def _models(expression: str) -> str:
    each = f"max by (namespace, pod, model, version) ({expression})"
    return f"sum by ({_STACK}) ({_stack_of(each, _OF_SERVER)})"


def _calls(*matchers: str) -> str:
    labels = "namespace, pod, envoy_cluster_name, grpc_method, grpc_status"
    each = f"max by ({labels}) (rate(envoy_cluster_grpc{{{','.join((_PROXIES, *matchers))}}}[{WINDOW}]))"
    return f"sum by ({_STACK}) ({_stack_of(each, _OF_PROXY)})"


def _stack_of(expression: str, pattern: str) -> str:
    """Return series with the label `sonic_instance`, from their pod's name."""
    return f'label_replace({expression}, "sonic_instance", "$1", "pod", "{pattern}")'
