"""The catalog sees what is there, and says so when it cannot look."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from groundwork.catalog import postgres, queries
from groundwork.catalog.postgres import observe
from groundwork.model.errors import RetriableError
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


def test_what_contracts_cannot_declare_is_seen_as_well(database: Database) -> None:
    with database.engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA odd",
            'CREATE TABLE odd."Mixed Case" (a int, b text COLLATE "C", c int GENERATED ALWAYS AS (a + 1) VIRTUAL,'
            " CONSTRAINT n UNIQUE NULLS NOT DISTINCT (a), CONSTRAINT d UNIQUE (b) DEFERRABLE INITIALLY DEFERRED)",
            'CREATE INDEX i ON odd."Mixed Case" (b text_pattern_ops DESC NULLS LAST, a NULLS FIRST, lower(b))',
            'ALTER TABLE odd."Mixed Case" ADD CONSTRAINT nn CHECK (a > 0) NO INHERIT NOT VALID',
            "CREATE VIEW odd.seen AS SELECT 1 AS one",
        ):
            connection.execute(text(statement))
        (table,) = observe(connection, ["odd"])
    assert table.name == "Mixed Case"
    columns = {column.name: column for column in table.columns}
    assert columns["b"].type == 'text COLLATE "C"'
    assert columns["c"].generated == "(a + 1) VIRTUAL"
    assert {key.name: key.options for key in table.unique_keys} == {
        "n": ("NULLS NOT DISTINCT",),
        "d": ("DEFERRABLE", "INITIALLY DEFERRED"),
    }
    (index,) = table.indexes
    assert index.keys == ("b text_pattern_ops DESC NULLS LAST", "a NULLS FIRST", 'lower(b) COLLATE "C"')
    (check,) = table.checks
    assert (check.is_validated, check.options) == (False, ("NO INHERIT",))


def test_a_not_null_that_was_never_validated_still_allows_nulls(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA odd"))
        connection.execute(text("CREATE TABLE odd.t (a int)"))
        connection.execute(text("ALTER TABLE odd.t ADD CONSTRAINT a_there NOT NULL a NOT VALID"))
        (table,) = observe(connection, ["odd"])
        assert table.columns[0].nullable
        connection.execute(text("ALTER TABLE odd.t VALIDATE CONSTRAINT a_there"))
        (table,) = observe(connection, ["odd"])
        assert not table.columns[0].nullable


def test_the_number_of_queries_does_not_grow_with_the_tables(database: Database) -> None:
    from sqlalchemy import event

    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement))
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA many"))
        for number in range(20):
            connection.execute(text(f"CREATE TABLE many.t{number} (a int PRIMARY KEY)"))
        seen.clear()
        assert len(observe(connection, ["many"])) == 20
    assert len([statement for statement in seen if "SELECT" in statement]) == len(queries.questions(18)) + 1


def test_a_table_that_stays_locked_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_LOCK_TIMEOUT", "100ms")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA held"))
        connection.execute(text("CREATE TABLE held.t (a int CHECK (a > 0))"))
    with database.engine.connect() as holder, database.engine.connect() as connection:
        holder.execute(text("LOCK TABLE held.t IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(RetriableError, match="catalogs could not be read"):
            observe(connection, ["held"])
        holder.rollback()
        assert len(observe(connection, ["held"])) == 1
