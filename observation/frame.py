"""One frame of the view: all that it shows, computed from the facts. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from access.cluster import Object
from observation.facts import Facts, Sample, Unknown
from observation.happenings import Happening, happenings
from observation.load import Entrance, Load, by_model, by_pool, by_server, entrance
from observation.scaling import Decision, decision
from observation.servers import Server, State, servers
from observation.stack_names import StackNames

Asked = TypeVar("Asked")
Shown = TypeVar("Shown")

NO_LOAD = Load()
"""Load of what no series tells of."""


@dataclass(frozen=True, kw_only=True)
class PoolRow:
    """One pool."""

    name: str
    """Name."""
    counts: Mapping[State, int]
    """State -> servers in it; empty: the pods are not known."""
    load: Load
    """Load of its servers together."""


@dataclass(frozen=True, kw_only=True)
class ServerRow:
    """One server."""

    server: Server
    """State."""
    load: Load
    """Load."""


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model in one pool."""

    pool: str
    """Name of the pool."""
    model: str
    """Name of the model."""
    load: Load
    """Load in all servers of the pool."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """All that is shown. A part that could not be asked is a sentence."""

    stack: str
    """Name of the stack."""
    place: str
    """Instance and namespace."""
    pages: Mapping[str, str]
    """Program with a page for people -> its address."""
    now: datetime
    """Time of the questions."""
    pools: Sequence[PoolRow]
    """Pools in the order in which Envoy prefers them."""
    servers: Sequence[ServerRow] | Unknown
    """Servers, those first that need a look."""
    models: Sequence[ModelRow] | Unknown
    """Models with a series, by pool and name."""
    entrance: Entrance | Unknown
    """Envoy's numbers."""
    scaling: Sequence[Decision] | Unknown
    """Decisions of the autoscaler, by pool."""
    happenings: Sequence[Happening] | Unknown
    """Events, the latest first."""


def frame(facts: Facts, names: StackNames) -> Frame:
    """Return the frame of a stack."""
    found = _known(facts.pods, lambda pods: servers(pods, facts.now))
    of_servers, of_pools = _loads(facts, by_server), _loads(facts, lambda samples: by_pool(samples, names))
    return Frame(
        stack=names.stack,
        place=f"{names.instance} in namespace {names.namespace}",
        pages=names.pages,
        now=facts.now,
        pools=[
            PoolRow(
                name=pool.name,
                counts=_counts(found, pool.name),
                load=of_pools.get(pool.name, NO_LOAD),
            )
            for pool in names.pools
        ],
        servers=_known(
            found,
            lambda listed: [ServerRow(server=each, load=of_servers.get(each.name, NO_LOAD)) for each in listed],
        ),
        models=_known(
            facts.servers,
            lambda samples: [
                ModelRow(pool=pool, model=model, load=load)
                for (pool, model), load in sorted(by_model(samples, names).items())
            ],
        ),
        entrance=_known(facts.envoys, entrance),
        scaling=_scaling(facts, names),
        happenings=_known(facts.events, lambda events: happenings(events, names, facts.now)),
    )


def _known(asked: Asked | Unknown, shown: Callable[[Asked], Shown]) -> Shown | Unknown:
    return asked if isinstance(asked, Unknown) else shown(asked)


def _loads(facts: Facts, by: Callable[[Sequence[Sample]], Mapping[str, Load]]) -> Mapping[str, Load]:
    return {} if isinstance(facts.servers, Unknown) else by(facts.servers)


def _counts(found: Sequence[Server] | Unknown, pool: str) -> Mapping[State, int]:
    if isinstance(found, Unknown):
        return {}
    states = [server.state for server in found if server.pool == pool]
    return {state: states.count(state) for state in State}


def _scaling(facts: Facts, names: StackNames) -> Sequence[Decision] | Unknown:
    """Return the decisions. Without one kind of object a decision would be told wrongly."""
    asked = (facts.deployments, facts.scaled_objects, facts.autoscalers)
    known: list[Sequence[Object]] = []
    for objects in asked:
        if isinstance(objects, Unknown):
            return objects
        known.append(objects)
    deployments, scaled_objects, autoscalers = known
    return [decision(pool, deployments, scaled_objects, autoscalers) for pool in names.pools]
