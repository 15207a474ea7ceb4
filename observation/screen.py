"""A frame as a terminal shows it."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from observation.facts import Unknown
from observation.frame import Frame, ModelRow, PoolRow, ServerRow
from observation.happenings import Happening
from observation.load import Entrance, Load
from observation.promql import REFUSALS_SECONDS
from observation.scaling import Decision
from observation.servers import State, age

EVENTS_SHOWN = 6

_STYLES = {
    State.FAILING: "bold red",
    State.UNPLACED: "yellow",
    State.STARTING: "cyan",
    State.DRAINING: "magenta",
    State.READY: "green",
}
_NOTHING = "\N{EN DASH}"
"""Shown for a number that no series tells."""

Part = TypeVar("Part")
Column = tuple[str, Literal["left", "right"]]


def screen(frame: Frame, *, hint: str = "", servers_max: int | None = None) -> RenderableType:
    """Return the frame.

    Args:
        frame: what is shown.
        hint: keys that work, for the first line.
        servers_max: servers that there is room for; None: all.
    """
    head = Text.assemble(
        (f"stack {frame.stack}", "bold"), f": {frame.place}, {frame.now:%H:%M:%S} UTC", (f"   {hint}", "dim")
    )
    return Group(
        head,
        *_section("Pools", _pools(frame.pools)),
        *_section("Autoscaler", _part(frame.scaling, _scaling)),
        *_section("Clients, as Envoy counts them", _part(frame.entrance, _entrance)),
        *_section("Models", _part(frame.models, _models)),
        *_section("Servers", _part(frame.servers, lambda rows: _servers(rows, servers_max))),
        *_section("Events", _part(frame.happenings, _happenings)),
    )


def _section(title: str, content: RenderableType) -> tuple[RenderableType, ...]:
    return Text(), Text(title, style="bold underline"), content


def _part(part: Part | Unknown, shown: Callable[[Part], RenderableType]) -> RenderableType:
    """Return a part, or the sentence of one that could not be asked."""
    return Text(part.sentence, style="yellow") if isinstance(part, Unknown) else shown(part)


def _table(*columns: Column) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name, justify in columns:
        # The column without a name has sentences, which alone give way where there is little room.
        table.add_column(name, justify=justify, no_wrap=bool(name), overflow="ellipsis")
    return table


def _numbers(*names: str) -> list[Column]:
    return [(name, "right") for name in names]


def _pools(pools: Sequence[PoolRow]) -> Table:
    states = [State.READY, State.STARTING, State.DRAINING, State.UNPLACED, State.FAILING]
    load = _numbers("requests/s", "failed/s", "waiting", "latency ms", "queue ms", "GPU")
    table = _table(("pool", "left"), *_numbers(*states, "wants", "least", "most"), *load)
    for row in pools:
        counts = [_count(row.counts.get(state), _STYLES[state]) for state in states]
        found = row.decision
        wanted: list[int | None] = [found.wants, found.servers_min, found.servers_max] if found else [None] * 3
        table.add_row(Text(row.name), *counts, *(_count(number) for number in wanted), *_load(row.load))
    return table


def _load(load: Load) -> list[Text]:
    return [
        *(_number(value) for value in (load.requests, load.failed, load.pending, load.latency_ms, load.queue_ms)),
        _percent(load.gpu),
    ]


def _scaling(decisions: Sequence[Decision]) -> Group:
    return Group(*(_decision(each) for each in decisions))


def _decision(found: Decision) -> Text:
    wants, has = (_NOTHING if number is None else str(number) for number in (found.wants, found.has))
    line = Text.assemble(
        (found.pool, "bold"), f": wants {wants}, has {has}, may have {found.servers_min} to {found.servers_max}"
    )
    for metric in found.metrics:
        line.append(f"; {metric.name} {_plain(metric.present)} of {metric.target:g} a server")
    for reason in found.reasons:
        line.append(f"\n  {reason}")
    return line


def _entrance(found: Entrance) -> Text:
    half, most = (_plain(each) for each in found.latencies_ms.values())
    line = Text(
        f"{_plain(found.calls)} calls/s, {_plain(found.in_progress)} in progress; "
        f"half answered within {half} ms, 99 % within {most} ms"
    )
    minutes = REFUSALS_SECONDS // 60
    if not found.refusals:
        line.append(f"\nno refusal in the last {minutes} minutes")
    for cause, number in found.refusals.items():
        line.append(f"\n{number:.0f} refused in the last {minutes} minutes: {cause}", style="red")
    return line


def _models(rows: Sequence[ModelRow]) -> RenderableType:
    if not rows:
        return Text(
            "Prometheus has no series of the servers: python -m acceptance says what to compare", style="yellow"
        )
    load = _numbers("requests/s", "failed/s", "waiting", "latency ms", "queue ms", "executing")
    table = _table(("model", "left"), ("pool", "left"), *load)
    for row in rows:
        table.add_row(Text(row.model), Text(row.pool), *_load(row.load)[:-1], _number(row.load.executing))
    return table


def _servers(rows: Sequence[ServerRow], servers_max: int | None) -> RenderableType:
    if not rows:
        return Text("no pod of a server")
    load = _numbers("requests/s", "waiting", "latency ms", "executing", "GPU")
    columns: list[Column] = [("server", "left"), ("state", "left"), *_numbers("age", "restarts"), *load]
    table = _table(*columns, ("", "left"))
    shown = rows if servers_max is None or len(rows) <= servers_max else rows[: max(servers_max - 1, 1)]
    for row in shown:
        server, numbers = row.server, row.load
        table.add_row(
            Text(server.name),
            Text(server.state, style=_STYLES[server.state]),
            Text(age(server.age_seconds)),
            _count(server.restarts, "yellow"),
            *(_number(each) for each in (numbers.requests, numbers.pending, numbers.latency_ms, numbers.executing)),
            _percent(numbers.gpu),
            _sentence(server.detail),
        )
    if len(shown) < len(rows):
        table.add_row(Text(f"and {len(rows) - len(shown)} more", style="dim"))
    return table


def _happenings(found: Sequence[Happening]) -> RenderableType:
    if not found:
        return Text("none; Kubernetes keeps them for an hour")
    table = _table(("ago", "right"), ("object", "left"), ("reason", "left"), ("", "left"))
    for each in found[:EVENTS_SHOWN]:
        times = f" ({each.times} times)" if each.times > 1 else ""
        reason = Text(each.reason, style="yellow" if each.warning else "")
        table.add_row(Text(age(each.age_seconds)), Text(each.subject), reason, _sentence(f"{each.message}{times}"))
    return table


def _sentence(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _count(number: int | None, style: str = "") -> Text:
    return Text(_NOTHING if number is None else str(number), style=style if number else "dim")


def _number(value: float | None) -> Text:
    return Text(_plain(value), style="" if value else "dim")


def _percent(share: float | None) -> Text:
    return Text(_NOTHING if share is None else f"{share:.0%}", style="" if share else "dim")


def _plain(value: float | None) -> str:
    """Return a number with three digits at least and no more after the point than tell something."""
    if value is None:
        return _NOTHING
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
