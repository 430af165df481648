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
    page.get_by_text("one session ended").wait_for()
    page.get_by_role("button", name="I look at it").click()
    page.get_by_text("Everybody sees now that you look at it.").wait_for()
    sure = page.get_by_role("button", name="Yes, mark resolved")
    assert not sure.is_visible()
    page.locator("summary", has_text="Mark resolved").click()
    assert Incidents(filled.store).get(known)["state"] == "open", "it is asked once more"
    assert_fits_and_can_be_read(page)
    assert_fits_a_phone(page)
    sure.click()
    page.get_by_text("Your answer is recorded").wait_for()
    assert_fits_a_phone(page)
    Incidents(filled.store).resolve(known, "mended", "orbt")
    page.goto(f"{filled.url}/groundwork/ui/incidents/{known}")
    assert_fits_and_can_be_read(page)
    for name in ("what_happened", "cause", "changed"):
        page.locator(f'textarea[name="{name}"]').fill(f"about {name}")
    page.get_by_role("button", name="Keep the review").click()
    page.get_by_text("The review is kept.").wait_for()
    page.locator('textarea[name="comment"]').fill("it was the disk\nand nothing else")
    page.get_by_role("button", name="Add the comment").click()
    page.get_by_text("Your comment is on the timeline.").wait_for()
    assert_fits_and_can_be_read(page)
    row = Incidents(filled.store).get(known)
    assert (row["answer"], row["answered_by"], row["reviewed_by"]) == ("mark_resolved", "person:user", "person:user")
    page.locator("summary", has_text="Open again").click()
    page.locator('.reopen input[name="because"]').fill("it is full again")
    page.get_by_role("button", name="Yes, open again").click()
    page.get_by_text("The incident is open again").wait_for()
    assert_fits_and_can_be_read(page)
    assert_fits_a_phone(page)
    row = Incidents(filled.store).get(known)
    assert (row["state"], row["reopenings"]) == ("open", 1)
    Incidents(filled.store).resolve(known, "the test is over", "orbt")


def test_the_lists_are_narrowed_by_the_form_and_the_address_keeps_it(page: Page, filled: Server) -> None:
    known = seed.incident(filled.store, "disk_full", Severity.CRITICAL)
    other = seed.incident(filled.store, "unknown", Severity.LOW)
    page.goto(f"{filled.url}/groundwork/ui/incidents")
    page.locator('select[name="severity"]').select_option("critical")
    page.locator('select[name="class"]').select_option("disk_full")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("link", name="Show all").wait_for()
    assert "severity=critical" in page.url
    assert page.locator(f'#waiting a[href$="{known}"]').is_visible()
    assert page.locator(f'#waiting a[href$="{other}"]').count() == 0
    assert_fits_and_can_be_read(page)
    assert_fits_a_phone(page)
    page.reload()
    assert page.locator('select[name="class"]').input_value() == "disk_full"
    for each in (known, other):
        Incidents(filled.store).resolve(each, "the test is over", "orbt")
