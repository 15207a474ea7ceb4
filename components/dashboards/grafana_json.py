"""Grafana's JSON of a dashboard, by Grafana's own library.

The library takes long to load, so only a stack with dashboards imports this module.
"""

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard

from components.dashboards.board import Board, Panel, Shape, Variable

TAG = "sonic"
_PANEL_HEIGHT, _NUMBER_HEIGHT = 8, 5
"""Grafana's rows of 30 pixels."""
_REFRESH, _FROM = "30s", "now-1h"


def dashboard_json(board: Board, *, datasource: str | None) -> str:
    """Return the JSON, with sorted keys.

    Args:
        board: the dashboard.
        datasource: uid of the Prometheus in Grafana; None: the reader chooses among those that Grafana has.
    """
    source = common.DataSourceRef(type_val="prometheus", uid=datasource or "${datasource}")
    builder = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .readonly()  # a change would be lost at the next update
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .refresh(_REFRESH)
        .time(_FROM, "now")
        .link(_links())
    )
    if datasource is None:
        builder.with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for variable in board.variables:
        builder.with_variable(_variable(variable, source))
    number = 0
    for row in board.rows:
        number += 1
        builder.with_row(builders.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            builder.with_panel(_panel(panel, source).id(number))
    return JSONEncoder(sort_keys=True).encode(builder.build())


def _links() -> builders.DashboardLink:
    return (
        builders.DashboardLink("SONIC")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .keep_time(True)
    )


def _variable(variable: Variable, source: common.DataSourceRef) -> builders.QueryVariable:
    return (
        builders.QueryVariable(variable.name)
        .label(variable.label)
        .query(f"label_values({variable.series}, {variable.label})")
        .datasource(source)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def _panel(panel: Panel, source: common.DataSourceRef) -> stat.Panel | timeseries.Panel:
    made = _numbers() if panel.shape is Shape.NUMBERS else _lines(stacked=panel.shape is Shape.AREAS)
    made.title(panel.title).description(panel.description).unit(panel.unit).datasource(source).span(panel.columns)
    for number, query in enumerate(panel.queries):
        target = (
            prometheus.Dataquery()
            .expr(query.expression)
            .legend_format(query.legend)
            .datasource(source)
            .ref_id(chr(ord("A") + number))
        )
        made.with_target(target.instant() if panel.shape is Shape.NUMBERS else target.range())
    return made


def _numbers() -> stat.Panel:
    return (
        stat.Panel()
        .height(_NUMBER_HEIGHT)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
    )


def _lines(*, stacked: bool) -> timeseries.Panel:
    mode = common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    return (
        timeseries.Panel()
        .height(_PANEL_HEIGHT)
        .min(0)
        .fill_opacity(40 if stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
        .stacking(common_builders.StackingConfig().mode(mode))
        .legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
    )
