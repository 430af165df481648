"""The success of streams: hours at work, from the warehouse's count of them and from strikes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, create_engine

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.flow.capture import ledger
from groundwork.orbt.health.health import health_of
from groundwork.orbt.health.score import Part
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.flow.capture.shop import contract
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import NOW

pytestmark = pytest.mark.postgres
_NAME = "stream_shop_shop_db"


@pytest.fixture
def shop(tmp_path: Path) -> Domain:
    """A domain whose tables are one stream."""
    place = tmp_path / "shop" / "shop.odcs.yaml"
    place.parent.mkdir()
    place.write_text(yaml.safe_dump(contract()), encoding="utf-8")
    return read_domain("shop", tmp_path)


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def worked(warehouse: Engine, *hours: int, failures: int = 0, stream: str = "shop.shop_db") -> None:
    """Hours of work, each so many hours before now."""
    with warehouse.begin() as connection:
        ledger.ensure(connection)
        for each in hours:
            row = {"stream": stream, "hour_at": NOW - timedelta(hours=each), "failures": failures}
            connection.execute(ledger.STREAM_HOUR.insert().values(row))


def success(store: Engine, shop: Domain, warehouse: Engine | None) -> Part:
    (found,) = (each for each in health_of(store, warehouse, shop, NOW).pipelines if each.pipeline.name == _NAME)
    return next(part for part in found.parts if part.name == "success")


def struck(store: Engine, at: datetime, try_number: int = 1) -> None:
    books.strike(store, dag_id=_NAME, at=at, try_number=try_number)


def test_a_stream_without_hours_has_no_success(store: Engine, shop: Domain) -> None:
    part = success(store, shop, store)
    assert (part.share, part.told) == (None, "at work in no hour of 30 days")


def test_hours_with_a_failure_or_a_strike_count_once(store: Engine, shop: Domain) -> None:
    worked(store, *range(1, 8), 800)
    worked(store, 8, 9, failures=3)
    worked(store, 1, 2, failures=9, stream="shop.other")
    struck(store, NOW - timedelta(hours=7.5))
    struck(store, NOW - timedelta(hours=7.75), 2)
    struck(store, NOW - timedelta(hours=20), 3)
    part = success(store, shop, store)
    assert part.share == pytest.approx(7 / 10)
    assert part.told == "7 of 10 hours at work without a failure in 30 days"


@pytest.mark.parametrize("is_known", [True, False])
def test_without_the_warehouse_strikes_alone_are_no_share(store: Engine, shop: Domain, is_known: bool) -> None:
    worked(store, 1, 2)
    struck(store, NOW - timedelta(minutes=30))
    nowhere = create_engine("postgresql+psycopg://nobody:nothing@127.0.0.1:1/nothing")
    part = success(store, shop, None if is_known else nowhere)
    assert (part.share, part.told) == (None, "the warehouse does not answer")
