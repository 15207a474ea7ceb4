"""Keys of SuperSONIC's chart, the releases that set them, and their places here: tests/supersonic/keys.yaml."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from stacks.foreign_keys import OTHER_NAMES, name_in_chart
from tests.support.pages import ROOT

FILE = ROOT / "tests" / "supersonic" / "keys.yaml"
PANELS: Sequence[Mapping[str, Any]] = yaml.safe_load((FILE.parent / "dashboards.yaml").read_text())["panels"]
"""Panels of the chart's dashboards; the file says what their keys mean."""
_DATA: Mapping[str, Any] = yaml.safe_load(FILE.read_text())

RELEASES: Mapping[str, str] = _DATA["releases"]
"""Short name of a real release -> its file of values."""
USED_BY: Mapping[str, list[str]] = _DATA["chart_keys"] | _DATA["further_keys"]
"""Key -> the releases that set it."""
SET = {key: releases for key, releases in USED_BY.items() if releases}
"""Keys that real releases set."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a key here. One of the first four says something."""

    to: tuple[str, ...] = ()
    """Keys here, after `site.`, `experiment.` or `sonic:`."""
    fixed: str = ""
    """The program's own value."""
    obsolete: str = ""
    """Reason why nothing needs it."""
    later: str = ""
    """Family that does not exist here yet."""
    note: str = ""
    """Remark for the page."""


SECTIONS: Mapping[str, Mapping[str, Place]] = {
    title: {start: Place(**{**place, "to": tuple(place.get("to", ()))}) for start, place in places.items()}
    for title, places in _DATA["places"].items()
}
PLACES: Mapping[str, Place] = {start: place for places in SECTIONS.values() for start, place in places.items()}
"""Start of a key -> its place."""


def start_of(key: str) -> str:
    """Return the longest start of a key that has a place, by its name in chart 0.3.1.

    Raises:
        KeyError: none has.
    """
    words = name_in_chart(key).split(".")
    for length in range(len(words), 0, -1):
        if (start := ".".join(words[:length])) in PLACES:
            return start
    raise KeyError(key)


def in_words() -> str:
    """Return how many keys of real releases have a place of each sort, and the places as a table for each section."""
    places = [PLACES[start_of(key)] for key in SET]
    counts = {sort: sum(bool(getattr(each, sort)) for each in places) for sort in ("to", "fixed", "obsolete", "later")}
    lines = (
        f"{len(RELEASES) - 1} public releases and their earlier versions set {len(SET)} keys. Of these,",
        f"{counts['to']} have a key here, {counts['fixed']} are fixed, {counts['obsolete']} are not needed, and",
        f"{counts['later']} are not there yet.",
        "",
    )
    tables = (line for title, places in SECTIONS.items() for line in _section(title, places))
    return "\n".join((*lines, *tables, *_other_names()))


def panels_in_words() -> str:
    """Return a table of the chart's panels and their places."""
    rows = (
        f"| {panel['title']} ({panel['shape']}) | {', '.join(panel['here'])} | {panel.get('note', '')} |"
        for panel in PANELS
    )
    return "\n".join(("| panel of the chart | panels here | remark |", "|---|---|---|", *rows, ""))


def _section(title: str, places: Mapping[str, Place]) -> Iterator[str]:
    yield from (f"### {title}", "", "| chart | here | remark |", "|---|---|---|")
    for start, place in places.items():
        several = any(name_in_chart(key) != start and start_of(key) == start for key in USED_BY)
        here, said = _said(place)
        remark = "; ".join(filter(None, (said, place.note)))
        yield f"| `{start}{'.*' if several else ''}` | {here} | {remark} |"
    yield ""


def _other_names() -> Iterator[str]:
    said = "What charts before and after it call otherwise. The tables above have the name on the right."
    yield from ("### Other charts than 0.3.1", "", said, "", "| another chart | chart 0.3.1 |", "|---|---|")
    for other, name in OTHER_NAMES.items():
        yield f"| `{other}` | {f'`{name}`' if name else 'the same key at the top'} |"
    yield ""


def _said(place: Place) -> tuple[str, str]:
    """Return the cell of the place, and what the remark begins with."""
    if place.to:
        return ", ".join(f"`{key}`" for key in place.to), ""
    if place.fixed:
        return "fixed", place.fixed
    return ("not needed", place.obsolete) if place.obsolete else ("not yet", place.later)
