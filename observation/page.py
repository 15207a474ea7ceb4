"""A report as one HTML file: it loads nothing and runs no script, so it can be sent as it is."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

from observation.plots import Plot
from observation.summary import Summary

_LABELS = 8
"""Times that an axis names."""

_CSS = """
body { font-family: sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td { padding: 0.15rem 1.5rem 0.15rem 0; border-bottom: 1px solid #ddd; }
td:last-child { text-align: right; } .missing { color: #a33; } .note { color: #666; margin-top: -0.5rem; }
figure { margin: 0; } svg { width: 100%; height: auto; }
"""

_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#444",
    foreground_strong="#222",
    foreground_subtle="#999",
    colors=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#f0e442"),
    font_family="sans-serif",
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=12,
)
"""Colours that people with any colour vision tell apart (Okabe and Ito)."""


def page(found: Summary) -> str:
    """Return the file."""
    first, last = found.times[0], found.times[-1]
    title = f"Stack {found.stack}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>\n" for name, value in found.totals)
    missing = "".join(f'<p class="missing">Missing: {escape(sentence)}</p>\n' for sentence in found.missing)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{_CSS}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"<p>{escape(found.place)}. One value each {found.step_seconds} s, from the stack's Prometheus.</p>\n"
        f"{missing}<table>\n{rows}</table>\n{''.join(_figure(plot, found.times) for plot in found.plots)}"
        "</body>\n</html>\n"
    )


def _figure(plot: Plot, times: Sequence[datetime]) -> str:
    drawn = f"<figure>{_svg(plot, times)}</figure>" if plot.curves else "<p>There is no value in this time.</p>"
    return f'<h2>{escape(plot.title)}</h2>\n<p class="note">{escape(plot.note)}</p>\n{drawn}\n'


def _svg(plot: Plot, times: Sequence[datetime]) -> str:
    pattern = "%H:%M" if (times[-1] - times[0]).days < 1 else "%d %b %H:%M"
    chart = pygal.Line(
        width=960,
        height=320,
        style=_STYLE,
        js=(),
        disable_xml_declaration=True,
        show_dots=False,
        allow_interruptions=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        truncate_legend=-1,
        include_x_axis=True,
        show_minor_x_labels=False,
        x_labels_major_every=max(len(times) // _LABELS, 1),
        margin=10,
    )
    chart.add_xml_filter(_without_script)
    chart.x_labels = [f"{time:{pattern}}" for time in times]
    for curve in plot.curves:
        chart.add(curve.name, list(curve.values), secondary=curve.on_the_right)
    return str(chart.render())


def _without_script(root: Element) -> Element:
    """Drop what tooltips need: a browser would load them from the web."""
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return root
