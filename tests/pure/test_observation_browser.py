"""The report in a real browser: whole on a screen, on a telephone and on paper, without the network."""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from observation.history import History
from observation.page import page
from observation.summary import Summary, summary
from stacks.resolve import ROOT
from testbed.browser import Browser
from testbed.child_process import ProcessError
from tests.support.reported import NAMES, history

PICTURES = sorted((ROOT / "docs" / "pictures").glob("*"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Where Debian's packages cannot be had, only CI fails."""
    try:
        with Browser() as running:
            yield running
    except ProcessError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


def shown(browser: Browser, tmp_path: Path, found: History, *, width: int = 1280) -> Summary:
    """Open the report of a history."""
    reported, file = summary(found, NAMES), tmp_path / "report.html"
    file.write_text(page(reported), encoding="utf-8")
    browser.open(file, width=width)
    return reported


def evaluate(browser: Browser, selector: str, expression: str) -> list[Any]:
    """Return the value of an expression on each element `e` that a selector finds."""
    found: list[Any] = browser.evaluate(f"[...document.querySelectorAll('{selector}')].map(e => {expression})")
    return found


def test_a_report_asks_for_nothing_and_nothing_is_complained_about(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, history())
    assert browser.requested == [(tmp_path / "report.html").as_uri()]
    assert browser.complaints == []
    assert browser.evaluate("document.title").startswith("Stack test-demo, 2026-11-26 12:00 to 2026-11-27 12:00 UTC")


def test_the_browser_of_these_tests_tells_of_a_request_and_of_an_error(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text('<!DOCTYPE html><img src="https://fonts.test/a.png"><script>nothing()</script>')
    browser.open(file, width=400)
    assert "https://fonts.test/a.png" in browser.requested
    assert len(browser.complaints) >= 2


def test_each_plot_has_its_title_its_units_and_each_of_its_curves(browser: Browser, tmp_path: Path) -> None:
    reported = shown(browser, tmp_path, history())
    titles = evaluate(browser, "section:has(svg) h2", "[e.textContent, e.getBoundingClientRect().height > 0]")
    assert titles == [[plot.title, True] for plot in reported.plots]
    units = evaluate(browser, ".sides", "e.innerText.split(/\\n/)[0].trim()")
    assert units == [plot.left for plot in reported.plots]
    drawn = evaluate(
        browser,
        "section svg",
        "[...e.querySelectorAll('.series path.line')].filter(p => p.getBBox().width > 300)"
        ".map(p => getComputedStyle(p).stroke)",
    )
    keys = evaluate(browser, "figcaption", "[...e.querySelectorAll('i')].map(i => getComputedStyle(i).borderTopColor)")
    assert [len(curves) for curves in drawn] == [len(plot.curves) for plot in reported.plots]
    assert [sorted(curves) for curves in drawn] == [sorted(colours) for colours in keys], "as the legend says"


@pytest.mark.parametrize("last", ["10m", "24h", "7d", "30d"])
def test_the_names_on_the_axes_are_whole_and_apart(browser: Browser, tmp_path: Path, last: str) -> None:
    shown(browser, tmp_path, history(last))
    box = "(t => [t.left, t.right, t.top, t.bottom, t.width])(e.getBoundingClientRect())"
    for number in range(1, 4):
        inside = f"section:nth-of-type({number}) svg"
        (around,) = evaluate(browser, inside, box)
        names = evaluate(browser, f"{inside} .axis text", f"[e.textContent, ...{box}]")
        assert [name for name, *_, width in names if "\N{HORIZONTAL ELLIPSIS}" in name or width == 0] == []
        outside = [
            name
            for name, left, right, top, bottom, _ in names
            if left < around[0] or right > around[1] or top < around[2] or bottom > around[3]
        ]
        assert outside == []
        times = sorted(evaluate(browser, f"{inside} .axis.x text", box))
        assert len(times) >= 3
        assert all(one[1] < other[0] for one, other in pairwise(times))


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    shown(browser, tmp_path, history(), width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    right = evaluate(browser, "body *", "e.closest('.drawing > div') ? 0 : e.getBoundingClientRect().right")
    assert max(right) <= width
    assert browser.evaluate("getComputedStyle(document.querySelector('.drawing')).overflowX") == "auto"


def test_a_report_is_printed_with_no_plot_cut_in_two(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, history())
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    assert set(evaluate(browser, "section", "getComputedStyle(e).breakInside")) == {"avoid"}


def test_a_plot_without_a_curve_is_a_sentence(browser: Browser, tmp_path: Path) -> None:
    found = history(losses=False, gpus=False)
    shown(browser, tmp_path, found)
    sentences = evaluate(browser, "section:not(:has(svg)) p:last-child", "e.innerText")
    assert sentences[0] == "No call was refused, and none failed."
    assert sentences[1].startswith("No server reports a GPU")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_of_the_pages_asks_for_nothing(browser: Browser, picture: Path) -> None:
    browser.open(picture, width=1280)
    assert browser.requested == [picture.as_uri()]
    assert browser.complaints == []
    assert picture.stat().st_size <= 200 * 1024
