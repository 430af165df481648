"""The page Health and a pipeline's page in a real browser: nothing sticks out, text is readable, links lead on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.orbt.health.health_books import PIPELINE
from tests.pages import test_health_pages
from tests.pages.fix_browser import IN_A_BROWSER, assert_fits_a_phone, assert_fits_and_can_be_read
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = IN_A_BROWSER
PAGES = ("/ui/health", "/ui/health?show=needy", f"/ui/health/{PIPELINE}", "/ui/domains/market/tables/stock_prices")


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    test_health_pages.fill(airflow_server.store, airflow_server.warehouse)
    return airflow_server


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window_and_all_can_be_read(page: Page, filled: Server, path: str) -> None:
    page.goto(f"{filled.url}/groundwork{path}")
    assert_fits_and_can_be_read(page)
    assert_fits_a_phone(page)


def test_a_pipeline_leads_to_its_page_and_to_its_dag(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui/health")
    row = page.locator("#pipelines tbody tr", has_text=PIPELINE)
    row.get_by_text("Repair").wait_for()
    row.locator("svg.sparkline").wait_for()
    link = row.get_by_role("link", name="Dag")
    assert str(link.get_attribute("href")).endswith(f"/dags/{PIPELINE}")
    row.get_by_role("link", name=PIPELINE).click()
    page.get_by_role("heading", name=PIPELINE).wait_for()
    page.wait_for_load_state()
    assert page.locator("#score tbody tr").count() == 6
    assert page.locator("#series svg").count() == 2
