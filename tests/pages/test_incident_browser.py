"""The pages about incidents in a real browser: nothing sticks out, text is readable, an answer is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from groundwork.model.incident import Severity
from groundwork.store.incident import Incidents
from tests.pages import seed
from tests.pages.fix_browser import IN_A_BROWSER, assert_fits_a_phone, assert_fits_and_can_be_read
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    store = airflow_server.store
    over = seed.incident(store, "worker_lost", Severity.CRITICAL)
    Incidents(store).resolve(over, "mended", "orbt")
    return airflow_server


@pytest.fixture(scope="module")
def role() -> str:
    """Somebody who may answer."""
    return "user"


def test_an_incident_is_found_read_and_answered(page: Page, filled: Server) -> None:
    known = seed.incident(filled.store, "slow_queries", Severity.CRITICAL)
    page.goto(f"{filled.url}/groundwork/ui/incidents")
    assert_fits_and_can_be_read(page)
    assert_fits_a_phone(page)
    page.locator(f'a[href$="{known}"]').click()
    page.get_by_role("heading", name="Slow queries").wait_for()
    assert_fits_a_phone(page)
    assert_fits_and_can_be_read(page)
    assert page.get_by_text("one session ended").is_visible()
    page.get_by_role("button", name="I look at it").click()
    page.get_by_text("Everybody sees now that you look at it.").wait_for()
    page.get_by_role("button", name="Mark resolved").click()
    page.get_by_text("Your answer is recorded").wait_for()
    assert_fits_a_phone(page)
    Incidents(filled.store).resolve(known, "mended", "orbt")
    page.goto(f"{filled.url}/groundwork/ui/incidents/{known}")
    assert_fits_and_can_be_read(page)
    for name in ("what_happened", "cause", "changed"):
        page.locator(f'textarea[name="{name}"]').fill(f"about {name}")
    page.get_by_role("button", name="Keep the review").click()
    page.get_by_text("The review is kept.").wait_for()
    row = Incidents(filled.store).get(known)
    assert (row["answer"], row["answered_by"], row["reviewed_by"]) == ("mark_resolved", "person:user", "person:user")
