"""For random pairs of schemas: A → B leaves no difference, the way back returns to A, kept columns keep their data.

The drawn examples are the same in every run; `GROUNDWORK_EXPLORE=500` draws as many new ones.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine

from groundwork.catalog.session import run
from groundwork.change.apply import apply_migration, migrate_domain
from groundwork.change.facts import table_facts
from groundwork.change.history import migrations
from groundwork.change.plan import plan_migration
from groundwork.change.rollback import rollback_migration
from groundwork.change.stage import Acceptance
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.model.errors import DataQualityError
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database
from tests.property.schemas import Schema, changed, domain_of, row_values, schemas

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]
_EXPLORED = int(os.environ.get("GROUNDWORK_EXPLORE", "0"))
_EVERYTHING = frozenset(Acceptance)


@pytest.fixture(scope="module")
def store(postgres: EmbeddedPostgres) -> Any:
    for database in _fresh_database(postgres):
        engine = create_engine(database.url)
        migrate(engine)
        yield engine
        engine.dispose()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """A schema and what becomes of it: a few changes, or another schema altogether."""
    first = draw(schemas())
    return first, draw(st.one_of(changed(first), changed(first), schemas()))


@settings(
    max_examples=_EXPLORED or 40,
    phases=(Phase.explicit, Phase.generate),  # shrinking takes minutes of database time
    derandomize=not _EXPLORED,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(pair=pairs(), has_rows=st.booleans())
def test_there_and_back(module_database: Database, store: Engine, pair: tuple[Schema, Schema], has_rows: bool) -> None:
    engine, name = module_database.engine, f"w_{uuid.uuid4().hex[:12]}"
    before, after = (domain_of(schema, name) for schema in pair)
    try:
        migrate_domain(engine, before)
        if has_rows:
            fill(engine, pair[0], name)
        kept = _kept(*pair)
        rows = _rows(engine, name, kept)
        with engine.connect() as connection:
            plan = plan_migration(
                after, _diff(connection, after), facts=table_facts(connection, after), accept=_EVERYTHING
            )
        if plan.refusals:
            assert has_rows, f"refused on empty tables: {plan.refusals}"
            return
        try:
            apply_migration(engine, plan, store_engine=store)
        except DataQualityError:  # the rows do not fit: what was done before is taken back all the same
            assert has_rows
        else:
            with engine.connect() as connection:
                assert _diff(connection, after).to_text().startswith("no differences")
        assert _rows(engine, name, kept) == rows
        if any(not stage.is_reversible for stage in plan.stages):
            assert has_rows
            return
        for migration in migrations(store, name):
            rollback_migration(engine, store, migration["id"], accept=_EVERYTHING)
        with engine.connect() as connection:
            assert _diff(connection, before).to_text().startswith("no differences")
        assert _rows(engine, name, kept) == rows
    finally:
        with engine.begin() as connection:
            run(connection, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)).as_string())


def _diff(connection: Connection, domain: Domain) -> Any:
    return compare_domain(connection, domain)


def fill(engine: Engine, schema: Schema, name: str) -> None:
    """Two rows in every table."""
    with engine.begin() as connection:
        for table in schema["tables"]:
            for number in (1, 2):
                values = row_values(table, number)
                statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
                    sql.Identifier(name, table["name"]),
                    sql.SQL(", ").join(map(sql.Identifier, values)),
                    sql.SQL(", ").join(map(sql.SQL, values.values())),
                )
                run(connection, statement.as_string())


def _kept(first: Schema, second: Schema) -> dict[str, list[str]]:
    """Columns by table that both schemas declare with the same type and the same way of being filled."""
    found = {}
    later = {table["name"]: table for table in second["tables"]}
    for table in first["tables"]:
        others = {each["name"]: _form(each) for each in later.get(table["name"], {}).get("columns", ())}
        if table["name"] in later:
            same = [each["name"] for each in table["columns"] if others.get(each["name"]) == _form(each)]
            found[table["name"]] = ["id", *same]
    return found


def _form(column: dict[str, Any]) -> tuple[str, str | None]:
    return column["type"], column["generated"]


def _rows(engine: Engine, name: str, kept: dict[str, list[str]]) -> dict[str, list[Any]]:
    found = {}
    with engine.connect() as connection:
        for table, columns in kept.items():
            query = sql.SQL("SELECT {} FROM {} ORDER BY id").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name, table)
            )
            found[table] = [tuple(row) for row in run(connection, query.as_string())]
    return found
