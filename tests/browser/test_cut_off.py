"""Nothing is cut off: words and legends in charts, and buttons that stand in a row."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.test_pages import PAGES

WIDTHS = (1280, 1000, 390)
"""A laptop, the narrowest window with two columns and the sidebar, a phone."""
CUT_OFF = """() => {
  const found = [];
  const beyond = (inner, outer) =>
    inner.width && (inner.right > outer.right + 2 || inner.left < outer.left - 2
      || inner.bottom > outer.bottom + 2 || inner.top < outer.top - 2);
  for (const chart of document.querySelectorAll('[data-testid=stMain] svg.marks')) {
    const frame = chart.getBoundingClientRect();
    for (const part of chart.querySelectorAll('text, .role-legend-symbol path')) {
      const seen = part.tagName !== 'text' || part.textContent.trim();
      if (seen && beyond(part.getBoundingClientRect(), frame)) {
        found.push(part.textContent || 'a sign of the legend');
      }
    }
  }
  for (const button of document.querySelectorAll('[data-testid=stButtonGroup] button')) {
    const row = button.closest('[data-testid=stButtonGroup]').getBoundingClientRect();
    if (beyond(button.getBoundingClientRect(), row)) found.push(button.innerText);
  }
  return found;
}"""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off(name, shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}/{name}?dataset=digits")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(1500)  # charts take their width a moment later
        with contextlib.suppress(TimeoutError):
            page.wait_for_function(f"({CUT_OFF})().length === 0", timeout=15_000)
        assert page.evaluate(CUT_OFF) == [], f"at {width} px"
    opened.check()
