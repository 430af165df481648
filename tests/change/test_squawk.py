"""squawk's opinions on our plans have answers, and hand-written DDL is judged by what the catalog knows."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from groundwork.change.facts import Facts, TableFacts
from groundwork.change.review import review_sql
from groundwork.change.squawk import opinions
from groundwork.change.stage import Acceptance
from groundwork.model.errors import ConfigError
from tests.change.test_rollback import NEW, OLD, carry_out, plan, store
from tests.contracts.samples import market
from tests.fix_postgres import Database

__all__ = ["store"]
_BIG = Facts(sizes={"shop.sale": TableFacts(bytes=12_000_000_000, rows=1), "shop.fresh": TableFacts(bytes=0, rows=0)})


@pytest.mark.postgres
def test_every_opinion_on_a_new_domain_is_answered(database: Database) -> None:
    found = opinions(plan(database.engine, market()))
    assert found
    assert [opinion for opinion in found if opinion.answer is None] == []


@pytest.mark.postgres
def test_every_opinion_on_a_change_is_answered(database: Database, store: object) -> None:
    carry_out(database.engine, store, OLD)  # type: ignore[arg-type]
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO shop.account VALUES (1, 'x', 7)"))
    found = opinions(plan(database.engine, NEW, frozenset(Acceptance)))
    rules = {opinion.rule: opinion for opinion in found}
    assert "ban-drop-column" in rules
    assert "puts at stake (loses)" in str(rules["ban-drop-column"].answer)
    assert [opinion.to_json() for opinion in found if opinion.answer is None] == []


def test_a_blocking_index_on_a_big_table_is_dangerous_and_on_an_empty_one_is_not() -> None:
    found = review_sql("CREATE INDEX a ON shop.sale (b);\nCREATE INDEX c ON shop.fresh (d);", _BIG)
    big, fresh = (verdict for verdict in found if verdict.rule == "require-concurrent-index-creation")
    assert (big.line, big.table, big.known) == (1, "shop.sale", "the table holds 12000.0 MB")
    assert big.is_dangerous
    assert "CONCURRENTLY" in str(big.safe_form)
    assert (fresh.line, fresh.known, fresh.is_dangerous) == (2, "the table is empty", False)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE shop.sale ADD COLUMN x bigint NOT NULL", "adding-required-field"),
        ("ALTER TABLE shop.sale ALTER COLUMN x TYPE bigint", "changing-column-type"),
        ("ALTER TABLE shop.sale ADD FOREIGN KEY (a) REFERENCES shop.fresh (b)", "adding-foreign-key-constraint"),
        ("ALTER TABLE shop.sale ADD CONSTRAINT c CHECK (a > 0)", "constraint-missing-not-valid"),
        ("ALTER TABLE shop.sale DROP COLUMN x", "ban-drop-column"),
        ("ALTER TABLE shop.sale RENAME COLUMN x TO y", "renaming-column"),
        ("ALTER TABLE shop.sale ADD CONSTRAINT u UNIQUE (a)", "disallowed-unique-constraint"),
    ],
)  # fmt: skip
def test_what_is_dangerous_has_a_safe_form(statement: str, rule: str) -> None:
    found = {verdict.rule: verdict for verdict in review_sql(statement, _BIG)}
    assert found[rule].is_dangerous
    assert found[rule].safe_form


def test_safe_forms_are_not_dangerous() -> None:
    safe = "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON shop.sale (b); ALTER TABLE shop.sale VALIDATE CONSTRAINT f;"
    assert not [verdict for verdict in review_sql(safe, _BIG) if verdict.is_dangerous]


def test_what_is_no_sql_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match="not SQL") as told:
        review_sql("SELECT 1;\n\nALTER TABEL x;", Facts(), where="change.sql")
    assert told.value.where == "change.sql:3"
    assert review_sql("", Facts()) == ()
