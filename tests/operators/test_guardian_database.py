"""The guardian's tasks that look at the database: differences told, the migration explained, nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import text

from groundwork.model.errors import ConfigError
from groundwork.operators.guardian_database import CompareToDatabaseOperator, ExplainMigrationOperator
from groundwork.operators.schema import MigrateOperator, RollbackMigrationOperator
from groundwork.store.contract_version import ContractVersions
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_STRATEGY = "INSERT INTO market.strategies (name, priority) VALUES ('trend', 1)"


def _compare(**options: Any) -> CompareToDatabaseOperator:
    return CompareToDatabaseOperator(task_id="compare_to_db", domain="market", **options)


def _explain(**options: Any) -> ExplainMigrationOperator:
    return ExplainMigrationOperator(task_id="explain_migration", domain="market", **options)


def _run(place: Place, statement: str) -> None:
    with place.warehouse.begin() as connection:
        connection.execute(text(statement))


def test_what_agrees_is_fine_and_nothing_is_explained(place: Place) -> None:
    place.make_tables()
    assert place.execute(_compare(fail_on="findings")) == {"is_empty": True, "differences": 0, "changes": []}
    with pytest.raises(AirflowSkipException, match="is what the contracts of market declare"):
        place.execute(_explain())


def test_a_difference_is_a_finding_and_its_migration_is_explained(place: Place) -> None:
    place.make_tables()
    _run(place, "DROP INDEX market.orders_open_idx")
    found = place.execute(_compare())
    assert found["changes"] == ["missing index orders_open_idx of market.orders"]
    with pytest.raises(AirflowFailException, match="1 differences between warehouse"):
        place.execute(_compare(fail_on="findings"))
    plan = place.execute(_explain())
    assert ["CREATE INDEX CONCURRENTLY" in stage["sql"][0] for stage in plan["stages"]] == [True]
    assert place.summary("explain_migration")["errors"] == 0
    assert place.execute(_compare())["differences"] == 1  # nothing was changed


def test_what_is_not_declared_is_left_alone_until_its_loss_is_accepted(place: Place) -> None:
    place.make_tables()
    _run(place, _STRATEGY)
    _run(place, "ALTER TABLE market.strategies ADD COLUMN note text")
    plan = place.execute(_explain())
    assert (plan["stages"], plan["left_alone"]) == ([], ["extra column note of market.strategies"])
    plan = place.execute(_explain(accept="loss"))
    assert plan["needs_approval"] is True
    assert "a person has to approve it" in place.summary("explain_migration")["told"]
    assert place.execute(_compare())["differences"] == 1


def test_what_would_be_refused_is_an_error(place: Place) -> None:
    place.make_tables()
    _run(place, "ALTER TABLE market.stock_prices DETACH PARTITION market.stock_prices_y2000")
    _run(
        place,
        "ALTER TABLE market.stock_prices ATTACH PARTITION market.stock_prices_y2000"
        " FOR VALUES FROM ('2000-01-01') TO ('2000-07-01')",
    )
    with pytest.raises(AirflowFailException, match=r"(?s)1 refused.*stock_prices_y2000.*rows to move"):
        place.execute(_explain())


def test_one_table_is_looked_at_alone(place: Place) -> None:
    place.make_tables()
    _run(place, "DROP INDEX market.orders_open_idx")
    assert place.execute(_compare(table="strategies"))["is_empty"] is True
    assert place.execute(_compare(table="market.orders"))["differences"] == 1
    with pytest.raises(AirflowSkipException):
        place.execute(_explain(table="strategies"))
    assert len(place.execute(_explain(table="orders"))["stages"]) == 1


def test_unknown_names_are_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="no table"):
        place.execute(_compare(table="nowhere"))
    with pytest.raises(ConfigError, match="there is no such thing to accept"):
        place.execute(_explain(accept="everything"))
    with pytest.raises(ConfigError, match="Airflow has no connection"):
        place.execute(_compare(connection_id="nowhere"))


def test_a_migration_is_applied_recorded_and_taken_back(place: Place) -> None:
    place.make_tables()
    _run(place, "DROP INDEX market.orders_open_idx")
    assert ContractVersions(place.store).newest("market", "warehouse") == []
    applied = place.execute(MigrateOperator(task_id="apply", domain="market"))
    assert applied["remaining"]["changes"] == []
    kept = ContractVersions(place.store).newest("market", "warehouse")
    assert len(kept) == len(list(place.contracts.glob("*.odcs.yaml")))

    def rollback(**options: Any) -> RollbackMigrationOperator:
        chosen = {"migration_id": str(applied["migration_id"]), **options}
        return RollbackMigrationOperator(task_id="rollback", domain="market", **chosen)

    assert place.execute(rollback(is_dry_run="true"))["is_dry_run"] is True
    assert place.execute(_compare())["differences"] == 0
    place.execute(rollback())
    assert place.execute(_compare())["changes"] == ["missing index orders_open_idx of market.orders"]
    for options, words in (
        ({"migration_id": "newest"}, "named by its number"),
        ({"migration_id": 99}, "no such migration"),
        ({"accept": "everything"}, "no such thing to accept"),
    ):
        with pytest.raises(ConfigError, match=words):
            place.execute(rollback(**options))
