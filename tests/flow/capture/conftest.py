"""Shops whose changes are captured by either way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import make_url

from groundwork.flow.capture.event import Way
from tests.fix_postgres import Database
from tests.flow.capture.shop import Shop


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows a consumer that died waits for the server to notice, however busy the machine is."""
    monkeypatch.setattr("groundwork.flow.capture.consumer_session._HANDOVER_SECONDS", 120)
    monkeypatch.setattr("groundwork.flow.capture.log_reader._SLOT_SECONDS", 120)


@pytest.fixture
def plain_shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose role may not replicate."""
    shop = Shop(database=database, folder=tmp_path, url=make_url(database.url))
    yield shop
    shop.remove()


@pytest.fixture(params=list(Way))
def shop(request: pytest.FixtureRequest, plain_shop: Shop) -> Iterator[Shop]:
    """A shop of each way; that of the log has a role with REPLICATION."""
    yield from replicating(plain_shop) if request.param is Way.LOG else [plain_shop]


@pytest.fixture
def log_shop(plain_shop: Shop) -> Iterator[Shop]:
    """A shop of the log."""
    yield from replicating(plain_shop)


def replicating(shop: Shop) -> Iterator[Shop]:
    """The shop, with a role that may replicate and owns what the other role owns."""
    role = f"replicator_{shop.database.name}"
    owner = shop.url.username or ""
    with shop.database.server.connect(shop.database.name) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD 'replicator'").format(sql.Identifier(role))
        )
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(role)))
    shop.url = shop.url.set(username=role, password="replicator")
    yield shop
    shop.remove()
    with shop.database.server.connect(shop.database.name) as connection:
        for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(role)))
