"""A recorded migration is taken back, whatever the contracts say meanwhile; what cannot come back is said before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.change.apply import MigrationOutcome, apply_migration
from groundwork.change.facts import Facts, table_facts
from groundwork.change.history import migration, migrations
from groundwork.change.plan import plan_migration
from groundwork.change.rollback import rollback_migration
from groundwork.change.stage import Acceptance, MigrationPlan, Risk
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.model.errors import ConfigError, DataQualityError
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database
from tests.property.schemas import Schema, domain_of

pytestmark = pytest.mark.postgres
_ALL = frozenset(Acceptance)


def schema(*columns: dict[str, object], **more: object) -> Schema:
    """One table `account` with an id and these columns."""
    filled = [{"required": False, "default": None, "comment": None, "generated": None, **column} for column in columns]
    table = {
        "name": "account", "columns": filled, "identity": None, "comment": None, "unique": None, "index": None,
        "check": None, "reference": None, "on_delete": "NO ACTION", **more,
    }  # fmt: skip
    return {"tables": [table], "moods": ["calm", "glad"]}


def domain(*columns: dict[str, object], **more: object) -> Domain:
    return domain_of(schema(*columns, **more), "shop")


@pytest.fixture
def store(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    for database in _fresh_database(postgres):
        engine = create_engine(database.url)
        migrate(engine)
        yield engine
        engine.dispose()


def plan(engine: Engine, wanted: Domain, accept: frozenset[Acceptance] = frozenset(), **options: int) -> MigrationPlan:
    with engine.connect() as connection:
        facts = table_facts(connection, wanted, **options)
        return plan_migration(wanted, compare_domain(connection, wanted), facts=facts, accept=accept)


def carry_out(
    engine: Engine, store: Engine, wanted: Domain, accept: frozenset[Acceptance] = frozenset()
) -> MigrationOutcome:
    outcome = apply_migration(engine, plan(engine, wanted, accept), store_engine=store)
    assert outcome.remaining.is_empty or not accept
    return outcome


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def values(engine: Engine, column: str) -> list[object]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT {column} FROM shop.account ORDER BY id")).scalars())


def is_as(engine: Engine, wanted: Domain) -> bool:
    with engine.connect() as connection:
        return compare_domain(connection, wanted).is_empty


OLD = domain({"name": "alpha", "type": "varchar(40)", "default": "'a'"}, {"name": "beta", "type": "integer"})
NEW = domain(
    {"name": "alpha", "type": "text", "required": True},
    {"name": "gamma", "type": "uuid", "required": True, "default": "gen_random_uuid()"},
    check="id > 0",
    index={"columns": ["alpha"], "descending": True, "where": None, "method": "btree"},
)


def test_there_and_back(database: Database, store: Engine) -> None:
    engine = database.engine
    carry_out(engine, store, OLD)
    run(engine, "INSERT INTO shop.account VALUES (1, 'x', 7), (2, 'y', 8)")
    outcome = carry_out(engine, store, NEW, _ALL)
    assert outcome.migration_id is not None
    assert is_as(engine, NEW)
    with pytest.raises(ConfigError, match="cannot bring back") as told:
        rollback_migration(engine, store, outcome.migration_id)
    assert "account.beta" in str(told.value.found)
    shown = rollback_migration(engine, store, outcome.migration_id, accept=_ALL, dry_run=True)
    assert is_as(engine, NEW)
    done = rollback_migration(engine, store, outcome.migration_id, accept=_ALL)
    assert [stage.what for stage in done.undone] == [stage.what for stage in shown.undone]
    assert is_as(engine, OLD)
    assert values(engine, "alpha") == ["x", "y"]
    assert values(engine, "beta") == [None, None]
    kept = migration(store, outcome.migration_id)
    assert kept["state"] == "rolled back"
    assert {each["state"] for each in kept["statements"]} == {"undone"}
    assert [each["id"] for each in migrations(store, "shop")] == [outcome.migration_id, outcome.migration_id - 1]
    assert AuditTrail(store).verify().is_intact
    with pytest.raises(ConfigError, match="cannot be rolled back"):
        rollback_migration(engine, store, outcome.migration_id, accept=_ALL)


def test_only_the_newest_goes_back(database: Database, store: Engine) -> None:
    first = carry_out(database.engine, store, OLD)
    carry_out(database.engine, store, NEW, _ALL)
    assert first.migration_id is not None
    with pytest.raises(ConfigError, match="migrated again since") as told:
        rollback_migration(database.engine, store, first.migration_id, accept=_ALL)
    assert str(told.value.next_step).startswith("groundwork generate-migration rollback")
    with pytest.raises(ConfigError, match="no such migration"):
        rollback_migration(database.engine, store, 999)


def test_rows_that_do_not_fit_the_old_form_stop_the_way_back(database: Database, store: Engine) -> None:
    engine = database.engine
    carry_out(engine, store, domain({"name": "alpha", "type": "varchar(40)"}))
    outcome = carry_out(engine, store, domain({"name": "alpha", "type": "text"}))
    run(engine, f"INSERT INTO shop.account VALUES (1, '{'x' * 50}')")
    assert outcome.migration_id is not None
    with pytest.raises(DataQualityError, match="would_lose_values"):
        rollback_migration(engine, store, outcome.migration_id)
    assert values(engine, "length(alpha)") == [50]
    run(engine, "UPDATE shop.account SET alpha = 'short'")
    rollback_migration(engine, store, outcome.migration_id)
    assert is_as(engine, domain({"name": "alpha", "type": "varchar(40)"}))


def test_a_narrower_type_never_cuts_a_value_silently(database: Database, store: Engine) -> None:
    engine = database.engine
    wide, narrow = domain({"name": "alpha", "type": "varchar(60)"}), domain({"name": "alpha", "type": "varchar(40)"})
    carry_out(engine, store, wide)
    run(engine, f"INSERT INTO shop.account VALUES (1, '{'x' * 50}')")
    found = plan(engine, narrow)
    assert found.stages[0].risk is Risk.REWRITES
    assert found.needs_approval
    with pytest.raises(DataQualityError, match="would_lose_values"):
        apply_migration(engine, found, store_engine=store)
    assert values(engine, "length(alpha)") == [50]
    run(engine, "UPDATE shop.account SET alpha = 'short'")
    carry_out(engine, store, narrow)
    assert is_as(engine, narrow)


def test_a_big_table_is_not_rewritten_unasked(database: Database, store: Engine) -> None:
    engine = database.engine
    wide, narrow = domain({"name": "alpha", "type": "varchar(60)"}), domain({"name": "alpha", "type": "varchar(40)"})
    carry_out(engine, store, wide)
    run(engine, "INSERT INTO shop.account SELECT n, 'x' FROM generate_series(1, 1000) n")
    refused = plan(engine, narrow, small_bytes=8192)
    assert not refused.stages
    assert "rewrites the table" in refused.refusals[0].reason
    assert "accept `rewrite`" in refused.refusals[0].safe_way
    accepted = plan(engine, narrow, frozenset({Acceptance.REWRITE}), small_bytes=8192)
    assert accepted.stages[0].risk is Risk.REWRITES


def test_a_big_table_is_filled_in_batches(database: Database, store: Engine) -> None:
    engine = database.engine
    carry_out(engine, store, domain())
    run(engine, "INSERT INTO shop.account SELECT n FROM generate_series(1, 60000) n")
    wanted = domain({"name": "gamma", "type": "uuid", "required": True, "default": "gen_random_uuid()"})
    found = plan(engine, wanted, small_bytes=8192)
    (stage,) = found.stages
    assert stage.batched
    assert stage.risk is Risk.NONE
    seen: list[str] = []
    apply_migration(engine, found, store_engine=store, observer=lambda _, statement: seen.append(statement))
    assert any("$first" in statement for statement in seen)
    assert is_as(engine, wanted)
    assert len(set(values(engine, "gamma"))) == 60000


def test_without_facts_nothing_is_rewritten_or_dropped(database: Database, store: Engine) -> None:
    carry_out(database.engine, store, OLD)
    with database.engine.connect() as connection:
        found = plan_migration(NEW, compare_domain(connection, NEW), facts=Facts())
    assert all(stage.risk is Risk.NONE for stage in found.stages)
    assert [change.name for change in found.left_alone] == ["beta"]


def test_a_plan_says_the_same_after_json(database: Database, store: Engine) -> None:
    from groundwork.change.stage import stage_from

    carry_out(database.engine, store, OLD)
    found = plan(database.engine, NEW, _ALL)
    assert tuple(stage_from(stage) for stage in found.to_json()["stages"]) == found.stages
    assert found.to_json()["digest"] == found.digest


_NUMBERED: dict[str, object] = {"name": "alpha", "type": "text"}
_BOUND: dict[str, object] = {"columns": ["alpha"], "descending": False, "where": None, "method": "brin"}
_ELSEWHERE = {**_BOUND, "columns": ["id"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"index": _BOUND}, {}),
        ({"index": _BOUND}, {"index": _ELSEWHERE}),
        ({"unique": "alpha"}, {}),
    ],
    ids=["an index that goes", "an index that changes", "a key that goes"],
)
def test_what_cannot_live_through_another_type_goes_before_it(
    database: Database, store: Engine, before: dict[str, object], after: dict[str, object]
) -> None:
    """`jsonb` has no operator class for BRIN: with the index on it the server refuses the column's new type."""
    first, second = domain(_NUMBERED, **before), domain({**_NUMBERED, "type": "jsonb"}, **after)
    carry_out(database.engine, store, first, _ALL)
    run(database.engine, """INSERT INTO shop.account (id, alpha) VALUES (1, '{"a": 1}'), (2, '[]')""")
    outcome = carry_out(database.engine, store, second, _ALL)
    assert values(database.engine, "alpha") == [{"a": 1}, []]
    assert outcome.migration_id is not None
    rollback_migration(database.engine, store, outcome.migration_id, accept=_ALL)
    assert is_as(database.engine, first)
    assert values(database.engine, "alpha") == ['{"a": 1}', "[]"]
