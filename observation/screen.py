"""A frame as a terminal shows it, of 80 columns or more."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from observation.cells import NOTHING, Name, number, numbers, percent, plain, sentence, table
from observation.concerns import concerns
from observation.facts import Unknown
from observation.frame import Frame, ModelRow, PoolRow, ServerRow
from observation.happenings import Happening
from observation.load import Entrance, Load
from observation.promql import REFUSALS_SECONDS
from observation.scaling import Decision, Metric
from observation.servers import Server, State, age

EVENTS_SHOWN = 6
_REMARKS_SHOWN = 4
_NAMES_SHOWN = 3
"""Servers named before a remark that is the same for all of them."""

_STYLES = {
    State.FAILING: "bold red",
    State.UNPLACED: "yellow",
    State.STARTING: "cyan",
    State.DRAINING: "magenta",
    State.READY: "green",
}

Part = TypeVar("Part")


def screen(
    frame: Frame, *, hint: str = "", servers_max: int | None = None, events_max: int = EVENTS_SHOWN
) -> RenderableType:
    """Return the frame.

    Args:
        frame: what is shown.
        hint: keys that work, for the first line.
        servers_max: servers that there is room for; None: all.
        events_max: events that there is room for.
    """
    head = Text.assemble(
        (f"stack {frame.stack}", "bold"), f": {frame.place}, {frame.now:%H:%M:%S} UTC", (f"   {hint}", "dim")
    )
    found = concerns(frame)
    verdict = Text(f"needs a look: {'; '.join(found)}", "bold red") if found else Text("nothing needs a look", "green")
    return Group(
        head,
        verdict,
        *(Text(f"{title}: {address}", style="dim") for title, address in frame.pages.items()),
        *_section("Pools", _pools(frame.pools)),
        *_section("Autoscaler", _part(frame.scaling, _scaling)),
        *_section("Clients, as Envoy counts them", _part(frame.entrance, _entrance)),
        *_section("Models", _part(frame.models, _models)),
        *_section("Servers", _part(frame.servers, lambda rows: _servers(rows, servers_max))),
        *_section("Events", _part(frame.happenings, lambda found: _happenings(found, events_max))),
    )


def _section(title: str, content: RenderableType) -> tuple[RenderableType, ...]:
    return Text(), Text(title, style="bold underline"), content


def _part(part: Part | Unknown, shown: Callable[[Part], RenderableType]) -> RenderableType:
    """Return a part, or the sentence of one that could not be asked."""
    return Text(part.sentence, style="yellow") if isinstance(part, Unknown) else shown(part)


_LOAD = ("req/s", "failed/s", "waiting", "latency ms", "queue ms")


def _load(load: Load) -> list[Text]:
    return [
        number(load.requests),
        number(load.failed, "red"),
        *(number(value) for value in (load.pending, load.latency_ms, load.queue_ms)),
    ]


def _pools(pools: Sequence[PoolRow]) -> Table:
    shown = table(("pool", "left"), ("servers", "left"), *numbers(*_LOAD, "GPU"), give_way=("pool", "servers"))
    for row in pools:
        shown.add_row(Name(row.name), _states(row.counts), *_load(row.load), percent(row.load.gpu))
    return shown


def _states(counts: Mapping[State, int]) -> Text:
    """Return the numbers of servers, the ready ones first."""
    if not counts:
        return Text(NOTHING, style="dim")
    told = [(state, counts[state]) for state in reversed(State) if counts[state] or state is State.READY]
    words = [Text(f"{count} {state}", style=_STYLES[state] if count else "dim") for state, count in told]
    return Text(", ").join(words)


def _scaling(decisions: Sequence[Decision]) -> Group:
    return Group(*(_decision(each) for each in decisions))


def _decision(found: Decision) -> Text:
    wants, has = (NOTHING if number is None else str(number) for number in (found.wants, found.has))
    line = Text.assemble(
        (found.pool, "bold"), f": wants {wants}, has {has}, may have {found.servers_min} to {found.servers_max}"
    )
    for reason in found.reasons:
        line.append(f"\n  {reason}")
    for metric in found.metrics:
        line.append("\n  ").append_text(_metric(metric))
    return line


def _metric(metric: Metric) -> Text:
    over = metric.present is not None and metric.present > metric.target
    unit = f" {metric.unit}" if metric.unit else ""
    return Text.assemble(
        f"{metric.name} ", (plain(metric.present), "yellow" if over else ""), f" of {metric.target:g}{unit} a server"
    )


def _entrance(found: Entrance) -> Text:
    half, most = (plain(each) for each in found.latencies_ms.values())
    line = Text(
        f"{plain(found.calls)} calls/s, {plain(found.in_progress)} in progress; "
        f"half answered within {half} ms, 99 % within {most} ms"
    )
    minutes = REFUSALS_SECONDS // 60
    if not found.refusals:
        line.append(f"\nno refusal in the last {minutes} minutes")
    for cause, count in found.refusals.items():
        line.append(f"\n{count:.0f} refused in the last {minutes} minutes: {cause}", style="red")
    return line


def _models(rows: Sequence[ModelRow]) -> RenderableType:
    if not rows:
        return Text(
            "Prometheus has no series of the servers: python -m acceptance says what to compare", style="yellow"
        )
    shown = table(("model", "left"), ("pool", "left"), *numbers(*_LOAD, "executing"), give_way=("model", "pool"))
    busy = [row for row in rows if row.load.requests or row.load.failed or row.load.pending]
    for row in busy:
        shown.add_row(Name(row.model), Name(row.pool), *_load(row.load), number(row.load.executing))
    idle = sorted({row.model for row in rows} - {row.model for row in busy})
    return Group(*([shown] if busy else []), *([sentence(f"without a request: {', '.join(idle)}")] if idle else []))


def _servers(rows: Sequence[ServerRow], servers_max: int | None) -> RenderableType:
    if not rows:
        return Text("no pod of a server")
    load = numbers("req/s", "waiting", "latency ms", "executing", "GPU")
    made = table(("server", "left"), ("state", "left"), *numbers("age"), *load, give_way=("server",))
    shown = rows if servers_max is None or len(rows) <= servers_max else rows[: max(servers_max - 1, 1)]
    for row in shown:
        server, load_ = row.server, row.load
        made.add_row(
            Name(server.name),
            Text(server.state, style=_STYLES[server.state]),
            Text(age(server.age_seconds)),
            *(number(each) for each in (load_.requests, load_.pending, load_.latency_ms, load_.executing)),
            percent(load_.gpu),
        )
    if len(shown) < len(rows):
        made.add_row(Text(f"and {len(rows) - len(shown)} more", style="dim"))
    return Group(made, *_remarks([row.server for row in rows]))


def _remarks(servers: Sequence[Server]) -> list[Text]:
    """Return a line for each reason and restart, with the ends of the names of the pods that it is about."""
    found: dict[str, list[str]] = {}
    for server in servers:
        restarts = f"{server.restarts} restart{'s' if server.restarts > 1 else ''}" if server.restarts else ""
        if told := "; ".join(filter(None, (server.detail, restarts))):
            found.setdefault(told, []).append(server.name.rpartition("-")[2])
    lines = [sentence(f"{_listed(names)}: {told}") for told, names in found.items()]
    more = len(lines) - _REMARKS_SHOWN
    return [*lines[:_REMARKS_SHOWN], *([Text(f"and {more} more remarks", style="dim")] if more > 0 else [])]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return f"{', '.join(names[:_NAMES_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _happenings(found: Sequence[Happening], events_max: int) -> RenderableType:
    if not found:
        return Text("none; Kubernetes keeps them for an hour")
    shown = table(
        ("ago", "right"), ("object", "left"), ("reason", "left"), ("message", "left"), give_way=("object", "message")
    )
    for each in found[:events_max]:
        times = f" ({each.times} times)" if each.times > 1 else ""
        reason = Text(each.reason, style="yellow" if each.warning else "")
        shown.add_row(Text(age(each.age_seconds)), Name(each.subject), reason, sentence(f"{each.message}{times}"))
    return shown
