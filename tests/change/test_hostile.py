"""Names and fragments that try to be more than they are: nothing of them runs."""

from __future__ import annotations

import pytest
from psycopg import sql
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.change.apply import migrate_domain
from groundwork.contracts.diff import compare_domain
from groundwork.model.errors import ConfigError
from tests.contracts.samples import shop
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres

HOSTILE_NAME = 'x\'; DROP TABLE canary; -- %s "q" {} :p'
FRAGMENTS = [
    ('"\'none\'" => "now()); DROP TABLE canary; --"', "default"),
    ('length(label)} => "length(label)) STORED); DROP TABLE canary; --"}', "generated"),
    ("code % 10 <> 9 AND => true); DROP TABLE canary; CREATE TABLE y (a int CHECK (true AND", "check"),
    ('where: is_active => where: "true; DROP TABLE canary"', "predicate"),
    ('expression: lower(label) => expression: "lower(label)); DROP TABLE canary; --"', "index key"),
    ('operatorClass: jsonb_path_ops => operatorClass: "jsonb_path_ops); DROP TABLE canary; --"', "operator class"),
    ('method: gin => method: "gin (settings); DROP TABLE canary; --"', "method"),
    ('varchar(40) => "varchar(40)); DROP TABLE canary; --"', "type"),
    ('value: cascade => value: "cascade; DROP TABLE canary"', "action"),
    ('strategy: range => strategy: "range (sold_date); DROP TABLE canary; --"', "strategy"),
    ('start: "2024-01-01" => start: "2024-01-01\'); DROP TABLE canary; --"', "bound"),
]


@pytest.fixture
def canary(database: Database) -> Database:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE canary (a int)"))
    return database


def _canary_lives(database: Database) -> bool:
    with database.engine.connect() as connection:
        return connection.execute(text("SELECT to_regclass('canary') IS NOT NULL")).scalar_one()


@pytest.mark.parametrize(("change", "where"), FRAGMENTS, ids=[where for _, where in FRAGMENTS])
def test_a_hostile_fragment_is_refused_and_never_runs(canary: Database, change: str, where: str) -> None:
    with pytest.raises(ConfigError):
        migrate_domain(canary.engine, shop(a=change))
    assert _canary_lives(canary), where
    with canary.engine.connect() as connection:
        assert connection.execute(text("SELECT to_regnamespace('shop')")).scalar_one() is None


def test_hostile_names_and_comments_are_only_names_and_comments(canary: Database) -> None:
    quoted = HOSTILE_NAME.replace("'", "''")
    domain = shop(
        table=f"name: customers\n => name: '{quoted}'\n",
        relationship="relationships: [{to: customers.customer_id, customProperties: "
        "[{property: onDelete, value: cascade}]}] => description: no relationship",
        comment=f"description: Shown to clerks. => description: '{quoted}'",
        value=f"it's paid => {HOSTILE_NAME[:20]}",
        index=f"name: customers_settings_idx => name: 'i{quoted}'",
    )
    outcome = migrate_domain(canary.engine, domain)
    assert outcome.remaining.is_empty, outcome.remaining.to_text()
    assert _canary_lives(canary)
    with canary.engine.begin() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'shop'")).scalars().all()
        assert HOSTILE_NAME in names
        drop = sql.SQL("DROP INDEX {}").format(sql.Identifier("shop", f"i{HOSTILE_NAME}")).as_string()
        run(connection, drop)
        assert len(compare_domain(connection, domain).changes) == 1
    assert migrate_domain(canary.engine, domain).remaining.is_empty
    assert _canary_lives(canary)
