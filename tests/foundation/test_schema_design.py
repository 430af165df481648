"""The criteria of `schema_design` hold on a right database and fail, with the reason, on a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from groundwork.change.apply import migrate_domain
from groundwork.foundation.access_patterns import measure_patterns
from groundwork.foundation.schema_design import criteria, indexes_optimized, relationships_defined, schema_validated
from tests.contracts.samples import CONTRACTS, SHOP_TEXT, market, shop
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def engine(database: Database) -> Engine:
    migrate_domain(database.engine, market())
    return database.engine


def _leftovers(connection: Connection) -> int:
    query = text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'groundwork_scratch%'")
    return int(connection.execute(query).scalar_one())


def test_all_hold_on_a_fresh_market(engine: Engine) -> None:
    results = [measure() for _, measure in criteria(engine, market(), CONTRACTS)]
    assert [result.criterion for result in results] == [
        "schema_validated",
        "relationships_defined",
        "indexes_optimized",
    ]
    assert [(result.passed, result.found) for result in results] == [
        (True, "0 errors, 0 differences in 9 tables"),
        (True, "18 of 18 keys exist and are validated"),
        (True, "19 patterns use an index; no duplicate index"),
    ]
    for result in results:
        json.dumps(result.details)
        assert result.operation.id.startswith("DATA.MARKET.")
        assert result.likely_cause is None
        assert result.next_step is None
    patterns = results[2].details["patterns"]
    assert isinstance(patterns, list)
    assert {entry["measured_on"] for entry in patterns} == {"scratch copy with made-up rows"}
    assert all(entry["rows"] > 10_000 and entry["cost"] > 0 for entry in patterns)
    with engine.connect() as connection:
        assert _leftovers(connection) == 0
        assert connection.execute(text("SELECT count(*) FROM market.orders")).scalar_one() == 0


def test_a_change_by_hand_fails_schema_validated(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.orders ADD COLUMN note text"))
        result = schema_validated(connection, market(), CONTRACTS)
    assert not result.passed
    assert result.found == "0 errors, 1 differences in 9 tables"
    assert result.next_step == "groundwork compare-to-db market"


def test_a_mistake_in_a_contract_fails_schema_validated(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.odcs.yaml").write_text(SHOP_TEXT.replace("access: read", "access: all"), encoding="utf-8")
    migrate_domain(database.engine, shop())
    with database.engine.connect() as connection:
        result = schema_validated(connection, shop(), tmp_path)
    assert not result.passed
    assert result.next_step == "groundwork validate-schema shop"


@pytest.mark.parametrize(
    ("statements", "state"),
    [
        (["ALTER TABLE market.orders DROP CONSTRAINT orders_signal_id_fkey"], "missing"),
        (
            [
                "ALTER TABLE market.orders DROP CONSTRAINT orders_signal_id_fkey",
                "ALTER TABLE market.orders ADD FOREIGN KEY (signal_id) REFERENCES market.trading_signals NOT VALID",
            ],
            "not validated",
        ),
        (
            [
                "ALTER TABLE market.orders DROP CONSTRAINT orders_signal_id_fkey",
                "ALTER TABLE market.orders ADD FOREIGN KEY (signal_id) REFERENCES market.trading_signals NOT ENFORCED",
            ],
            "not validated",
        ),
    ],
)
def test_a_relationship_without_its_key_fails(engine: Engine, statements: list[str], state: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        result = relationships_defined(connection, market())
    assert not result.passed
    assert "orders (signal_id) → trading_signals (signal_id)" in result.found
    broken = {"key": "orders (signal_id) → trading_signals (signal_id)", "state": state}
    assert broken in result.details["keys"]  # type: ignore[operator]


def test_a_unique_key_that_is_gone_fails(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies DROP CONSTRAINT strategies_name_key"))
        result = relationships_defined(connection, market())
    assert not result.passed
    assert "strategies unique (name)" in result.found


def test_a_filled_table_is_asked_as_it_is(database: Database) -> None:
    pattern = (
        "      - {property: accessPatterns, value: [{name: of_a_customer, "
        "query: SELECT sale_id FROM shop.sales WHERE customer_id = 7}]}\n"
    )
    domain = shop(
        a="    description: What was bought.\n    customProperties:\n => "
        f"    description: What was bought.\n    customProperties:\n{pattern}"
    )
    migrate_domain(database.engine, domain)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO shop.customers (code, joined_date)
                SELECT n * 10, '2024-01-01' FROM generate_series(1, 400) n
                """
            )
        )
        connection.execute(
            text("INSERT INTO shop.sales SELECT n, '2024-02-01', 1 + n % 400, 'open' FROM generate_series(1, 9000) n")
        )
        connection.execute(text("ANALYZE shop.sales"))
        (evidence,) = measure_patterns(connection, domain)
        assert (evidence.measured_on, evidence.rows) == ("live table", 9000)
        assert "sales_y2024m02_customer_id_idx" in evidence.indexes
        connection.execute(text("DROP INDEX shop.sales_customer_id_idx"))
        result = indexes_optimized(connection, domain)
    assert not result.passed
    assert result.found == "0 patterns use an index; without: shop.sales.of_a_customer; no duplicate index"
    assert result.next_step == "declare an index for the pattern in its contract, then run the phase again"


def test_a_pattern_without_an_index_fails_on_the_copy(database: Database) -> None:
    domain = shop(
        a="    description: What was bought.\n    customProperties:\n => "
        "    description: What was bought.\n    customProperties:\n"
        "      - {property: accessPatterns, value: [{name: by_state, "
        "query: SELECT sale_id FROM shop.sales WHERE state = 'open'}]}\n"
    )
    with database.engine.connect() as connection:
        result = indexes_optimized(connection, domain)
    assert not result.passed
    assert "shop.sales.by_state" in result.found


@pytest.mark.parametrize(
    ("statement", "duplicate"),
    [
        ("CREATE INDEX twin ON market.orders (signal_id)", "orders.twin (by orders_signal_id_idx)"),
        ("CREATE INDEX first ON market.orders (strategy_id)", None),
        (
            "CREATE INDEX own ON market.trading_signals (strategy_id)",
            "trading_signals.own (by trading_signals_strategy",
        ),
        ("CREATE INDEX keyed ON market.strategies (strategy_id)", "strategies.keyed (by strategies_pkey)"),
    ],
)
def test_a_duplicate_index_fails(engine: Engine, statement: str, duplicate: str | None) -> None:
    from groundwork.catalog.postgres import observe
    from groundwork.contracts.redundancy import redundant_indexes

    with engine.begin() as connection:
        connection.execute(text(statement))
        found = [entry for shape in observe(connection, ["market"]) for entry in redundant_indexes(shape)]
    if duplicate is None:
        assert [entry.name for entry in found] == ["first"]  # served by (strategy_id, placed_at desc)
    else:
        assert f"{found[0].table}.{found[0].name} (by {found[0].covered_by})".startswith(duplicate)
