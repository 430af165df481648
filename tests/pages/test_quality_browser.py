"""The pages of quality in a real browser: nothing sticks out, text is readable, filters work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.pages import test_quality_pages
from tests.pages.fix_server import Server
from tests.pages.test_browser import _CONTRAST, _RIGHTMOST, _STICKING_OUT, CHROMIUM, browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.airflow,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM} (apt-get install chromium)"),
]
PAGES = ("/ui/quality", "/ui/domains/market/tables/stock_prices", "/ui/domains/market/tables/strategies")


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    test_quality_pages.fill(airflow_server.store, airflow_server.warehouse)
    return airflow_server


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, filled: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An administrator's page, 1280 wide; fails when the page reports an error or breaks its own policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    context.add_cookies([{"name": "_token", "value": filled.token("admin"), "url": filled.url}])
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window_and_all_can_be_read(page: Page, filled: Server, path: str) -> None:
    page.goto(f"{filled.url}/groundwork{path}")
    assert page.evaluate(_RIGHTMOST) <= 1280
    for width in (1280, 1208, 1010):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_STICKING_OUT) == []
    worst = page.evaluate(_CONTRAST)
    assert worst["ratio"] >= 4.5, worst


def test_a_filter_narrows_and_a_table_leads_to_its_page(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui/quality")
    rows = page.locator("#scores tbody tr")
    assert rows.count() >= 2
    page.get_by_role("link", name="Accuracy").click()
    page.wait_for_url("**dimension=accuracy**")
    assert [rows.nth(0).locator("th").inner_text(), rows.count()] == ["stock_prices", 1]
    page.locator("#findings summary").first.click()
    assert page.locator("#findings").get_by_text("•••").is_visible()
    page.locator("#scores tbody th a").first.click()
    page.get_by_role("heading", name="market.stock_prices").wait_for()
