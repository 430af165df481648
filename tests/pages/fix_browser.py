"""Our pages in Debian's Chromium, in light and in dark, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = Path("/usr/bin/chromium")
IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.airflow,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM} (apt-get install chromium)"),
]
_PATIENCE_MILLISECONDS = 120_000
MISSING = "/ui/domains/none"  # our one page whose answer is 404, which a browser complains about


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"], timeout=_PATIENCE_MILLISECONDS
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def role() -> str:
    """Who looks at the pages; a module may let somebody else."""
    return "viewer"


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, filled: Server, role: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page 1280 wide of the server that the module has filled; fails on any error and any breach of its policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    context.add_cookies([{"name": "_token", "value": filled.token(role), "url": filled.url}])
    context.set_default_timeout(_PATIENCE_MILLISECONDS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if _matters(message) else None)
    yield opened
    context.close()
    assert complaints == []


def _matters(message: ConsoleMessage) -> bool:
    """Whether the browser tells an error, but for what is not there: Airflow looks for a run, we for a domain."""
    place = message.location["url"]
    is_expected = "404" in message.text and ("/groundwork/" not in place or place.endswith(MISSING))
    return message.type == "error" and not is_expected


RIGHTMOST = """() => Math.max(
  document.documentElement.scrollWidth,
  ...[...document.querySelectorAll("main *")].map((element) => Math.round(element.getBoundingClientRect().right)),
)"""
# Parts of a card that stick out of it, but for what may scroll inside.
STICKING_OUT = """() => [...document.querySelectorAll(".card")].flatMap((card) =>
  [...card.querySelectorAll("*")]
    .filter((part) => !part.closest(".scroll, svg, .unseen") && part.checkVisibility())
    .filter((part) => part.getBoundingClientRect().right > card.getBoundingClientRect().right - 10)
    .map((part) => `${card.id} ${part.tagName} ${part.className} ${part.textContent.trim().slice(0, 30)}`))"""
# The lowest ratio between the colour of visible text and the first opaque background behind it (WCAG 2.1, 1.4.3).
CONTRAST = """() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const channel = (value) => linear(value / 255);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  let worst = { ratio: 99 };
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg") || !element.checkVisibility() || element.classList.contains("skip")) continue;
    const [front, back] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: element.textContent.trim().slice(0, 60), tag: element.className };
  }
  return worst;
}"""


def assert_fits_and_can_be_read(page: Page) -> None:
    """Nothing is wider than the window, nothing sticks out of its card at three widths, and all text has contrast."""
    page.wait_for_load_state()
    assert page.evaluate(RIGHTMOST) <= 1280
    for width in (1280, 1208, 1010):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(STICKING_OUT) == []
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


def assert_fits_a_phone(page: Page) -> None:
    """At the width of a phone the document is no wider than the window: what is wider scrolls in its own part."""
    page.wait_for_load_state()
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 420
