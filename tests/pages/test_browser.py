"""The pages in a real browser, inside Airflow's own frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pages import seed
from tests.pages.fix_browser import CONTRAST, IN_A_BROWSER, MISSING, RIGHTMOST, STICKING_OUT
from tests.pages.fix_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = IN_A_BROWSER
PAGES = ("/ui", "/ui/domains/market", "/ui/reports/latest", f"/ui/runs/{seed.RUN}", MISSING)


@pytest.fixture(scope="module")
def filled(airflow_server: Server) -> Server:
    """The server with something in every block."""
    seed.everything(airflow_server.store, airflow_server.warehouse)
    return airflow_server


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window(page: Page, filled: Server, path: str) -> None:
    page.goto(f"{filled.url}/groundwork{path}")
    assert page.evaluate(RIGHTMOST) <= 1280
    for width in (1280, 1208, 1010):  # a window, the same with Airflow's navigation beside it, a small window
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(STICKING_OUT) == []


def test_text_contrasts_with_what_is_behind_it(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/groundwork/ui")
    worst = page.evaluate(CONTRAST)
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
    page.locator("iframe").wait_for(state="detached")


def test_the_link_of_a_task_opens_its_run(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/plugin/groundwork/groundwork/ui/runs/{seed.RUN.replace('+', '%2B').replace(':', '%3A')}")
    page.frame_locator("iframe").get_by_role("heading", name="Run of Market").wait_for()


def test_it_follows_airflow_s_theme_while_open(page: Page, filled: Server) -> None:
    page.goto(f"{filled.url}/plugin/groundwork")
    body = page.frame_locator("iframe").locator("body[data-refresh]")
    body.wait_for()
    from playwright.sync_api import expect

    for theme, color in {"dark": "rgb(14, 16, 20)", "light": "rgb(246, 247, 249)"}.items():
        page.evaluate("theme => { document.documentElement.className = theme }", theme)
        expect(body).to_have_css("background-color", color, timeout=120_000)


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
