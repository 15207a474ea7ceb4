"""A dashboard as plain data: rows of panels, and their queries."""

from dataclasses import dataclass
from enum import StrEnum

COLUMNS = 24
"""Width of a dashboard, in Grafana's columns."""


class Shape(StrEnum):
    """Way in which a panel shows its series."""

    LINES = "lines"
    AREAS = "areas"
    """Areas on top of each other, for parts of a sum."""
    NUMBERS = "numbers"
    """The values at the end of the chosen time."""


class Unit(StrEnum):
    """Grafana's own words for units."""

    COUNT = "short"
    FRACTION = "percentunit"
    SECONDS = "s"
    HOURS = "h"
    REQUESTS_PER_SECOND = "reqps"
    BYTES_PER_SECOND = "Bps"
    WATTS = "watt"
    KILOWATT_HOURS = "kwatth"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query of a panel."""

    expression: str
    """PromQL, with Grafana's variables."""
    legend: str
    """Name of each series, with its labels as `{{pod}}`."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    """Title, which no other panel of the dashboard has."""
    description: str
    """Meaning and limits of the numbers, for whoever reads them."""
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    shape: Shape = Shape.LINES
    columns: int = 8
    """Width, of `COLUMNS`."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels below a title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice of the reader, among the values of a label."""

    name: str
    """Name, as `$name` in queries. All values are chosen at first."""
    series: str
    """Series that have the label."""
    label: str
    """The label."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    """Grafana's identity of it: 40 characters at most."""
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Panels of all rows."""
        return tuple(panel for row in self.rows for panel in row.panels)
