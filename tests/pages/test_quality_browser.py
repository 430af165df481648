"""The pages of quality in a real browser: nothing sticks out, text is readable, filters work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pages import test_quality_pages
from tests.pages.fix_browser import IN_A_BROWSER, assert_fits_and_can_be_read
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = IN_A_BROWSER
PAGES = ("/ui/quality", "/ui/domains/market/tables/stock_prices", "/ui/domains/market/tables/strategies")


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    test_quality_pages.fill(airflow_server.store, airflow_server.warehouse)
    return airflow_server


@pytest.fixture(scope="module")
def role() -> str:
    """An administrator, who sees samples."""
    return "admin"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window_and_all_can_be_read(page: Page, filled: Server, path: str) -> None:
    page.goto(f"{filled.url}/groundwork{path}")
    assert_fits_and_can_be_read(page)


def test_a_filter_narrows_and_a_table_leads_to_its_page(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui/quality")
    rows = page.locator("#scores tbody tr")
    assert rows.count() >= 2
    page.get_by_role("link", name="Accuracy").click()
    page.wait_for_url("**dimension=accuracy**")
    assert [rows.nth(0).locator("th").inner_text(), rows.count()] == ["stock_prices", 1]
    page.locator("#findings summary").first.click()
    page.locator("#findings").get_by_text("•••").wait_for()
    page.locator("#scores tbody th a").first.click()
    page.get_by_role("heading", name="market.stock_prices").wait_for()
