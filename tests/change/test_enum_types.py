"""Enum types and sequences: made before the tables that stand on them, extended in place, refused otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.change.apply import migrate_domain
from groundwork.change.enum_types import added_values
from groundwork.change.plan import plan_migration
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


def moods(values: str, *, comment: str = "", sequence: str = "") -> Domain:
    described = f", description: {comment}" if comment else ""
    content = (
        "apiVersion: v3.2.0\nkind: DataContract\nid: moods\nversion: 1.0.0\ndomain: moods\ncustomProperties:\n"
        f"  - {{property: enumTypes, value: [{{name: mood, values: [{values}]{described}}}]}}\n"
        f"  - {{property: sequences, value: [{{name: numbers{sequence}}}]}}\n"
        "schema: [{name: days, properties: [{name: feeling, physicalType: mood, customProperties:"
        " [{property: default, value: \"'ok'::mood\"}]}, {name: number, physicalType: bigint,"
        " customProperties: [{property: default, value: \"nextval('numbers')\"}]}]}]\n"
    )
    return Domain(name="moods", contracts=(read_contract(parse_document(content, Path("moods/m.odcs.yaml"))),))


def test_types_and_sequences_come_before_their_tables(database: Database) -> None:
    domain = moods("sad, ok", comment="How one feels.", sequence=", increment: 5, description: Counts")
    report = migrate_domain(database.engine, domain)
    assert report is not None
    with database.engine.begin() as connection:
        assert compare_domain(connection, domain).is_empty
        connection.execute(text("INSERT INTO moods.days DEFAULT VALUES"))
        connection.execute(text("INSERT INTO moods.days DEFAULT VALUES"))
        rows = connection.execute(text("SELECT feeling::text, number FROM moods.days ORDER BY number")).all()
    assert [tuple(row) for row in rows] == [("ok", 1), ("ok", 6)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ok", "ok, glad"),
        ("ok", "sad, ok"),
        ("ok", "bad, sad, ok, well, glad"),
        ("sad, ok, glad", "sad, 'it''s', ok, fine, glad"),
    ],
)
def test_values_are_added_where_they_are_declared(database: Database, before: str, after: str) -> None:
    migrate_domain(database.engine, moods(before))
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO moods.days (feeling) VALUES ('ok')"))
    migrate_domain(database.engine, moods(after))
    with database.engine.connect() as connection:
        assert compare_domain(connection, moods(after)).is_empty
        assert connection.execute(text("SELECT feeling::text FROM moods.days")).scalars().all() == ["ok"]


@pytest.mark.parametrize("after", ["ok", "ok, sad", "ok, well"])
def test_removed_and_reordered_values_are_refused(database: Database, after: str) -> None:
    migrate_domain(database.engine, moods("sad, ok"))
    with database.engine.connect() as connection:
        plan = plan_migration(moods(after), compare_domain(connection, moods(after)))
    assert not plan.stages
    (refusal,) = plan.refusals
    assert "cannot remove values of an enum type" in refusal.reason
    assert "RENAME VALUE" in refusal.safe_way


def test_unknown_types_and_sequences_are_left_alone(database: Database) -> None:
    domain = moods("ok")
    migrate_domain(database.engine, domain)
    with database.engine.begin() as connection:
        run(connection, "CREATE TYPE moods.other AS ENUM ('a')")
        run(connection, "CREATE SEQUENCE moods.others")
        plan = plan_migration(domain, compare_domain(connection, domain))
    assert (plan.stages, plan.refusals) == ((), ())
    assert [change.name for change in plan.left_alone] == ["other", "others"]


def test_options_and_comments_follow_the_contract(database: Database) -> None:
    migrate_domain(database.engine, moods("ok", sequence=", increment: 5, minimum: 1, maximum: 99, cycle: true"))
    changed = moods("ok", comment="How one feels.", sequence=", increment: 7, cache: 2, description: Counts")
    migrate_domain(database.engine, changed)
    with database.engine.connect() as connection:
        assert compare_domain(connection, changed).is_empty
    migrate_domain(database.engine, moods("ok"))
    with database.engine.connect() as connection:
        assert compare_domain(connection, moods("ok")).is_empty


def test_adding_is_planned_in_order() -> None:
    assert added_values((), ("a", "b")) == (("a", None), ("b", "a"))
    assert added_values(("b",), ("a", "b", "c")) == (("a", None), ("c", "b"))
    assert added_values(("a", "b"), ("a",)) is None
