"""Alerts on the models of a pool's servers, and on the memory of their GPUs."""

from collections.abc import Iterator

from components.monitoring.rules import rule
from components.monitoring.rules.facts import RuleFacts
from components.monitoring.rules.rule import Rule
from components.queries import servers
from components.server_pool import ServerPool

_FAILURES_MIN = 5
"""Failed requests in five minutes below which a model is not called broken: one client may be."""
_MEMORY_MAX = 0.95


def model_alerts(facts: RuleFacts) -> list[Rule]:
    """Return the alerts of all pools."""
    return [alert for pool in facts.pools for alert in _of_pool(facts, pool)]


def _of_pool(facts: RuleFacts, pool: ServerPool) -> Iterator[Rule]:
    def alert(name: str, expression: str, for_seconds: int, summary: str) -> Rule:
        labels = {"sonic_instance": facts.instance, "pool": pool.name}
        return rule.alert(name, expression, for_seconds=for_seconds, summary=summary, labels=labels)

    if facts.models:
        names = "|".join(model.replace(".", "[.]") for model in sorted(facts.models))
        named = f'model=~"{names}"'
        loaded = f"nv_inference_request_success{servers(pool, named)}"
        none = f"max by (pod) (up{servers(pool)} == 1) * 0"
        yield alert(
            "SonicModelMissing",
            f"(count by (pod) (count by (pod, model) ({loaded})) or {none}) < {len(facts.models)}",
            600,
            f"server {{{{ $labels.pod }}}} of pool {pool.name} has {{{{ $value }}}} of {len(facts.models)} models",
        )

    def grown(counter: str, *matchers: str) -> str:
        series = f"max by (pod, model, version, reason) (increase({counter}{servers(pool, *matchers)}[5m]))"
        return f"sum by (pod, model) ({series})"

    failed = grown("nv_inference_request_failure", 'reason!="CANCELED"')
    yield alert(
        "SonicModelFails",
        f"{failed} >= {_FAILURES_MIN} unless on (pod, model) {grown('nv_inference_request_success')} > 0",
        300,
        f"model {{{{ $labels.model }}}} fails every request in server {{{{ $labels.pod }}}} of pool {pool.name}",
    )
    used, total = (f"nv_gpu_memory_{part}_bytes{servers(pool)}" for part in ("used", "total"))
    yield alert(
        "SonicGpuMemoryFull",
        f"max by (pod, gpu_uuid) ({used} / {total}) > {_MEMORY_MAX}",
        600,
        f"{{{{ $value | humanizePercentage }}}} of the memory of a GPU of server {{{{ $labels.pod }}}}, pool "
        f"{pool.name}, are used",
    )
