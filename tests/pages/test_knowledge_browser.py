"""The page `Knowledge` in a real browser: nothing sticks out, text is readable, filters and details work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pages import test_knowledge_pages
from tests.pages.fix_browser import IN_A_BROWSER, assert_fits_a_phone, assert_fits_and_can_be_read
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    test_knowledge_pages.fill(airflow_server.store)
    return airflow_server


def test_it_fits_can_be_read_and_narrows(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui/knowledge")
    assert_fits_and_can_be_read(page)
    page.locator("#pattern-connection_failures summary").click()
    page.locator("#pattern-connection_failures").get_by_text("08*").wait_for()
    page.get_by_role("link", name="Connection failures").click()
    page.wait_for_url("**pattern=connection_failures**")
    rows = page.locator("#remedies tbody tr")
    assert rows.count() >= 2
    rows.nth(0).locator("svg.interval").wait_for()
    assert_fits_a_phone(page)
