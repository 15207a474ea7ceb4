"""The suite of autoscaling with pods."""

from collections.abc import Sequence

from benchmarks.live_scaling import surge
from benchmarks.live_scaling.disturbances import prometheus_away, server_upgrade
from benchmarks.live_scaling.equipment import SECONDS, SERVERS_MAX, SERVERS_MIN, facts, open_live, steps
from benchmarks.live_scaling.live_lab import LiveLab
from benchmarks.live_scaling.surge import Surge
from benchmarks.live_scaling.surge_load import SurgeLoad
from benchmarks.suite import Scenario, Suite

KEYS = (surge.KEY, "outage", "upgrade")
"""The benchmarks, in the order in which they run."""

_OUTAGE_SECONDS = 600.0
_QUICK_OUTAGE_SECONDS = 90.0


def suite(*, only: Sequence[str], quick: bool) -> Suite[LiveLab]:
    """Return the suite; quick, a short surge and a short outage."""
    scenarios: list[Scenario[LiveLab]] = []
    if surge.KEY in only:
        scenarios.append(Surge(load=surge_load(quick=quick)))
    if "outage" in only:
        away = _QUICK_OUTAGE_SECONDS if quick else _OUTAGE_SECONDS
        scenarios.append(prometheus_away(seconds=away, servers_min=SERVERS_MIN, servers_max=SERVERS_MAX))
    if "upgrade" in only:
        scenarios.append(server_upgrade(servers_min=SERVERS_MIN, servers_max=SERVERS_MAX))
    return Suite(
        keys=tuple(key for key in KEYS if key in only),
        where="with autoscaled pods in the development cluster",
        scenarios=scenarios,
        setup_steps=steps(),
        setup_seconds=SECONDS,
        open=open_live,
        facts=facts,
    )


def surge_load(*, quick: bool) -> SurgeLoad:
    """Return the load of the surge."""
    begin, length, rest = (30.0, 75.0, 45.0) if quick else (60.0, 150.0, 210.0)
    return SurgeLoad(
        low=0.2,
        high=4.0,
        begin_seconds=begin,
        end_seconds=begin + length,
        seconds=begin + length + rest,
        servers_min=SERVERS_MIN,
        servers_max=SERVERS_MAX,
    )
