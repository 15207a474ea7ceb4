"""The last hours of a stack as its Prometheus tells of it, for tests of the report."""

import math
from collections.abc import Callable, Mapping, Sequence

from observation.history import History, duration_seconds, span
from observation.promql import VALUE
from observation.stack_names import StackNames
from observation.values import Series, Values
from tests.support.configs import stack_config
from tests.support.snapshots import NOW

NAMES = StackNames.of(stack_config())
_MODELS = ("particlenet_AK4_PT", "particlenetFromMiniAODAK4_CHSCentral_TensorRT_v2")


def series(value: str, *values: float | None, **labels: str) -> Series:
    """Return a series of a history."""
    return Series(labels={VALUE: value, **labels}, values=values)


def by_value(*found: Series) -> Mapping[str, Sequence[Series]]:
    """Return series by their value."""
    values = {each.labels[VALUE] for each in found}
    return {value: [each for each in found if each.labels[VALUE] == value] for value in values}


def history(last: str = "24h", *, losses: bool = True, gpus: bool = True) -> History:
    """Return the history of two pools: a load that rises and falls twice, and a time without a sample.

    Args:
        last: time that it covers.
        losses: at the highest load calls are refused and fail.
        gpus: servers report GPUs.
    """
    covered = span(duration_seconds(last), NAMES, NOW)
    count = len(covered.times)

    def over(of_load: Callable[[float], float]) -> Values:
        loads = [0.55 - 0.45 * math.cos(2 * math.pi * 2 * at / count) for at in range(count)]
        return [None if 0.13 <= at / count < 0.17 else of_load(load) for at, load in enumerate(loads)]

    def pool(share: float) -> Mapping[str, Sequence[Series]]:
        servers = list(over(lambda load: math.ceil(8 * share * load)))
        return by_value(
            *(series("requests", *over(lambda load: 900 * share * load), model=model) for model in _MODELS),
            series("failed", *over(lambda load: 0.01 * load * losses), reason="OTHER"),
            series("total", *over(lambda load: 1800 * share * load * (0.02 + 0.03 * share * load))),
            series("queue", *over(lambda load: 1800 * share * load * 0.03 * share * load)),
            series("pending", *over(lambda load: 40 * share * load**4)),
            series("servers", *servers),
            *([series("gpus", *servers)] if gpus else []),
        )

    envoys = by_value(
        series("latency_p50_ms", *over(lambda load: 12 + 30 * load)),
        series("latency_p99_ms", *over(lambda load: 60 + 900 * load**6)),
        series("answered", *over(lambda load: 2340 * covered.step_seconds * load)),
        series("ended", *over(lambda load: 40 * (load > 0.95) * losses), grpc_status="14"),
        series("ended", *over(lambda load: 3 * (load > 0.9) * losses), grpc_status="4"),
        series("no healthy server", *over(lambda load: 25 * (load > 0.97) * losses)),
    )
    pools = {"gpu": pool(1.0), "slurm-a100-preemptible": pool(0.3)}
    return History(span=covered, pools=pools, envoys=envoys, unknown={})
