"""A plot as SVG, which loads nothing and runs no script. Its legend and the names of its axes are the page's."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

from observation.plots import Curve, Plot

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f7f7f", "#332288")
"""Colours that people with any colour vision tell apart, after Okabe and Ito; no yellow, which is pale on white."""

WIDTH, HEIGHT = 960, 260
_INTERVALS = 4
"""Intervals of an axis. Both axes have the same lines."""
_NICE = (1, 2, 2.5, 5, 10)
_TIMES_MAX = 9
"""Most times that an axis names."""
_TIME_STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400)
)


def colour(curve: Curve) -> str:
    """Return the colour of a curve."""
    return COLOURS[curve.colour % len(COLOURS)]


def number(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,.10g}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def axis(most: float, *, whole: bool) -> list[float]:
    """Return the values of an axis from 0: round ones, and whole ones if all values are whole."""
    least = max(most, 1e-9) / _INTERVALS
    if whole and least <= _NICE[-1]:
        step: float = max(math.ceil(least), 1)
    else:
        power = 10 ** math.floor(math.log10(least))
        step = next(nice for nice in _NICE if nice * power >= least * (1 - 1e-9)) * power
    return [round(step * count, 12) for count in range(_INTERVALS + 1)]


def named_times(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Return the round times of an axis with their names: the hour, or the day at midnight."""
    step = next((each for each in _TIME_STEPS if (last - first) / each < _TIMES_MAX), _TIME_STEPS[-1])
    epoch = datetime.fromtimestamp(0, UTC)
    at = epoch + math.ceil((first - epoch) / step) * step
    found = []
    while at <= last:
        found.append((at, f"{at:%d %b}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}"))
        at += step
    return found


def svg(plot: Plot, times: Sequence[datetime]) -> str:
    """Return the drawing of a plot that has a curve."""
    left, right = ([curve for curve in plot.curves if curve.on_the_right is side] for side in (False, True))
    lines = _lines(left or right)
    # pygal numbers the curves of the left axis first.
    ordered = [*left, *right]
    chart = pygal.XY(
        width=WIDTH,
        height=HEIGHT,
        style=_style([colour(curve) for curve in ordered]),
        js=(),
        disable_xml_declaration=True,
        show_legend=False,
        show_dots=False,
        allow_interruptions=True,
        include_x_axis=True,
        truncate_label=-1,
        margin=8,
        margin_top=14,
        value_formatter=number,
        xrange=(times[0].timestamp(), times[-1].timestamp()),
        range=(lines[0], lines[-1]),
    )
    chart.add_xml_filter(_without_script)
    chart.y_labels = lines
    chart.x_labels = [{"value": at.timestamp(), "label": name} for at, name in named_times(times[0], times[-1])]
    if left and right:
        of_right = _lines(right)
        chart.secondary_range = (of_right[0], of_right[-1])
    for curve in ordered:
        points = [(at.timestamp(), value) for at, value in zip(times, curve.values, strict=True)]
        dashes = {"dasharray": "6, 4"} if curve.dashed else {}
        chart.add(curve.name, points, secondary=bool(left) and curve.on_the_right, stroke_style={"width": 2, **dashes})
    return str(chart.render())


def _lines(curves: Sequence[Curve]) -> list[float]:
    values = [value for curve in curves for value in curve.values if value is not None]
    return axis(max(values), whole=all(value == int(value) for value in values))


def _style(colours: Sequence[str]) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="#444",
        foreground_strong="#444",
        foreground_subtle="#ddd",
        guide_stroke_color="#ddd",
        major_guide_stroke_color="#ddd",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        stroke_opacity="1",
        stroke_opacity_hover="1",
        stroke_width="2",
        stroke_width_hover="2",
        colors=tuple(colours),
        font_family="sans-serif",
        label_font_size=13,
        major_label_font_size=13,
    )


def _without_script(root: Element) -> Element:
    """Drop what tooltips need: a browser would load them from the web."""
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return root
