"""The pages in a real browser, inside Airflow's own frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pages import seed
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.airflow,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM} (apt-get install chromium)"),
]
PAGES = ("/ui", "/ui/domains/market", "/ui/reports/latest", f"/ui/runs/{seed.RUN}", "/ui/domains/none")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    """The server with something in every block."""
    seed.everything(airflow_server.store, airflow_server.warehouse)
    return airflow_server


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, filled: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A viewer's page, 1280 wide; fails when the page reports an error or breaks its own policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    context.add_cookies([{"name": "_token", "value": filled.token("viewer"), "url": filled.url}])
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert not [complaint for complaint in complaints if "404" not in complaint]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window(page: Page, filled: Server, path: str) -> None:
    page.goto(f"{filled.url}/groundwork{path}")
    assert page.evaluate(_RIGHTMOST) <= 1280
    for width in (1280, 1208, 1010):  # a window, the same with Airflow's navigation beside it, a small window
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_STICKING_OUT) == []


def test_text_contrasts_with_what_is_behind_it(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui")
    worst = page.evaluate(_CONTRAST)
    assert worst["ratio"] >= 4.5, worst


def test_it_stands_in_airflow_s_navigation(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/")
    page.get_by_role("link", name="Groundwork").first.click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="Market", exact=True).first.wait_for()
    assert "/plugin/groundwork" in page.url


def test_links_to_airflow_open_in_airflow_s_frame(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/plugin/groundwork")
    page.frame_locator("iframe").get_by_role("link", name="Run in Airflow").first.click()
    page.wait_for_url("**/dags/data_foundation/runs/**")
    assert page.locator("iframe").count() == 0


def test_the_link_of_a_task_opens_its_run(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/plugin/groundwork/groundwork/ui/runs/{seed.RUN.replace('+', '%2B').replace(':', '%3A')}")
    page.frame_locator("iframe").get_by_role("heading", name="Run of Market").wait_for()


def test_it_follows_airflow_s_theme_while_open(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/plugin/groundwork")
    body = page.frame_locator("iframe").locator("body[data-refresh]")
    body.wait_for()
    seen = {}
    for theme in ("dark", "light"):
        page.evaluate("theme => { document.documentElement.className = theme }", theme)
        seen[theme] = body.evaluate("element => getComputedStyle(element).backgroundColor")
    assert seen == {"dark": "rgb(14, 16, 20)", "light": "rgb(246, 247, 249)"}


def test_evidence_opens_by_keyboard_and_stays_open_when_the_page_looks_again(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui")
    summary = page.locator("summary", has_text="APIs functional")
    summary.focus()
    page.keyboard.press("Enter")
    operation = page.get_by_text("DATA.MARKET.APIS_FUNCTIONAL.GROUNDWORK.20000.007")
    operation.wait_for()
    page.evaluate("document.activeElement.blur(); window.before = document.querySelector('main'); lookAgain()")
    page.wait_for_function("document.querySelector('main') !== window.before")
    assert operation.is_visible()


def test_times_tell_the_exact_moment_on_hover(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui")
    titles = page.locator("time").evaluate_all("elements => elements.map(e => e.title)")
    assert titles
    assert all(title.endswith(" UTC") for title in titles)


_RIGHTMOST = """() => Math.max(
  document.documentElement.scrollWidth,
  ...[...document.querySelectorAll("main *")].map((element) => Math.round(element.getBoundingClientRect().right)),
)"""
# Parts of a card that stick out of it, but for what may scroll inside.
_STICKING_OUT = """() => [...document.querySelectorAll(".card")].flatMap((card) =>
  [...card.querySelectorAll("*")]
    .filter((part) => !part.closest(".scroll, svg, .unseen") && part.checkVisibility())
    .filter((part) => part.getBoundingClientRect().right > card.getBoundingClientRect().right - 10)
    .map((part) => `${card.id} ${part.tagName} ${part.className} ${part.textContent.trim().slice(0, 30)}`))"""
# The lowest ratio between the colour of visible text and the first opaque background behind it (WCAG 2.1, 1.4.3).
_CONTRAST = """() => {
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
