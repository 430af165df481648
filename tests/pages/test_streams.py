"""Streams on the overview: none, one that runs, one that is behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from groundwork.flow.capture.lag import status
from groundwork.pages import render
from groundwork.pages.overview import collect_overview
from groundwork.pages.sources import Sources
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.flow.capture.shop import Shop

pytestmark = pytest.mark.postgres


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    migrate(database.engine)
    made = Shop(database=database, folder=tmp_path, url=make_url(database.url))
    yield made
    made.remove()


def _page(shop: Shop) -> str:
    engine = shop.database.engine
    overview = collect_overview(Sources(store=lambda: engine, warehouse=lambda: engine, contracts=shop.folder))
    return render.page("overview.html", base="/groundwork", version="1", domain_names=("shop",), overview=overview)


def test_without_streams_there_is_no_section(shop: Shop) -> None:
    assert 'id="streams"' not in _page(shop)


def test_a_stream_shows_its_state_and_its_lag(shop: Shop) -> None:
    shop.drain()
    page = _page(shop)
    assert 'id="streams"' in page
    assert "shop.shop_db" in page
    assert "never" in page
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL), (2, 'b', 'DE', NULL, NULL)")
    measured = status("shop.shop_db", shop.url, shop.database.engine)
    assert measured is not None
    page = _page(shop)
    assert f"{measured.seconds_behind:.1f} s" in page
    assert '<td class="figure">2</td>' in page
