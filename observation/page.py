"""A report as one HTML file: it loads nothing and runs no script, so it can be sent as it is."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from observation.chart import colour, svg
from observation.plots import Curve, Plot
from observation.summary import Figure, Summary

_CSS = """
* { box-sizing: border-box; }
html { background: #fff; color: #222; font: 16px/1.45 sans-serif; }
body { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; } .time { font-size: 1.15rem; } time { white-space: nowrap; }
 h2 { font-size: 1.15rem; margin: 0; }
p { margin: 0.25rem 0; } .note, .unit, figcaption { color: #555; font-size: 0.875rem; }
.missing { color: #8a1c1c; background: #fbeaea; border-left: 4px solid #c0392b; margin: 1rem 0;
  padding: 0.4rem 0.75rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.6rem;
  margin: 1.25rem 0; }
.figures div { border: 1px solid #ddd; border-radius: 6px; padding: 0.5rem 0.75rem; }
.figures dt { color: #555; font-size: 0.8rem; } .figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
.figures dd + dd { color: #555; font-size: 0.8rem; font-weight: 400; }
section { margin: 2rem 0 0; break-inside: avoid; }
table { border-collapse: collapse; width: 100%; max-width: 44rem; }
td { padding: 0.25rem 0; border-bottom: 1px solid #e5e5e5; vertical-align: top; }
td:last-child { text-align: right; padding-left: 1rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: 0.5rem 0 0; } .drawing { overflow-x: auto; } .sides { display: flex; justify-content: space-between; }
.drawing > div { min-width: 44rem; } svg { display: block; width: 100%; height: auto; }
figcaption { display: flex; flex-wrap: wrap; gap: 0.15rem 1.25rem; margin-top: 0.25rem; }
figcaption i { display: inline-block; width: 1.6rem; border-top: 3px solid; vertical-align: middle;
  margin-right: 0.4rem; }
figcaption i.dashed { border-top-style: dashed; }
@media print { html { font-size: 11pt; } body { padding: 0; } section { margin-top: 1.2rem; } }
"""


def page(found: Summary) -> str:
    """Return the file."""
    first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (found.times[0], found.times[-1]))
    stack = escape(found.stack)
    missing = "".join(f'<p class="missing">Missing: {escape(sentence)}</p>\n' for sentence in found.missing)
    pages = "".join(f' <a href="{escape(address)}">{escape(name)}</a>' for name, address in found.pages.items())
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>\n" for name, value in found.totals)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Stack {stack}, {first} to {last} UTC</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f'<h1>Stack {stack}</h1>\n<p class="time"><time>{first}</time> to <time>{last}</time> UTC</p>\n'
        f'<p class="note">{escape(found.place)}. One value each {found.step_seconds} s, from the stack\'s Prometheus. '
        f'All times are UTC.{pages}</p>\n{missing}<dl class="figures">\n{"".join(map(_figure, found.figures))}</dl>\n'
        f"{''.join(_section(plot, found.times) for plot in found.plots)}"
        f"<section>\n<h2>Totals</h2>\n<table>\n{rows}</table>\n</section>\n</body>\n</html>\n"
    )


def _figure(figure: Figure) -> str:
    name, value, more = (escape(text) for text in (figure.name, figure.value, figure.more))
    return f"<div><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></div>\n"


def _section(plot: Plot, times: Sequence[datetime]) -> str:
    head = f'<section>\n<h2>{escape(plot.title)}</h2>\n<p class="note">{escape(plot.note)}</p>\n'
    if not plot.curves:
        return f"{head}<p>{escape(plot.without)}</p>\n</section>\n"
    sides = f'<div class="sides unit"><span>{escape(plot.left)}</span><span>{escape(plot.right)}</span></div>'
    frame = f'<div class="drawing" role="img" aria-label="{escape(plot.title)}">'
    drawing = f"{frame}<div>{sides}\n{svg(plot, times)}\n</div></div>"
    legend = "".join(map(_legend, plot.curves))
    return f"{head}<figure>\n{drawing}\n<figcaption>{legend}</figcaption>\n</figure>\n</section>\n"


def _legend(curve: Curve) -> str:
    dashed = ' class="dashed"' if curve.dashed else ""
    return f'<span><i{dashed} style="color: {colour(curve)}"></i>{escape(curve.name)}</span>\n'
