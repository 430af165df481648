"""Retention as a dry run: what is due, and that nothing goes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from groundwork.contracts.contract import Domain
from groundwork.governance.policy import LegalHold
from groundwork.governance.retention import RetentionFinding, plan_retention
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.governance.clinic import clinic, make_clinic, policies

pytestmark = pytest.mark.postgres
NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)


def planned(database: Database, domain: Domain | None = None, now: datetime = NOW) -> dict[str, RetentionFinding]:
    found = plan_retention(database.engine, domain or clinic(), policies(), now)
    return {finding.table: finding for finding in found}


def test_due_rows_and_whole_partitions_are_told_and_nothing_goes(database: Database) -> None:
    make_clinic(database.engine, clinic())
    visits = planned(database)["clinic.visits"]
    assert visits.cutoff_at == datetime(2023, 6, 15, 12, tzinfo=UTC)
    assert (visits.rows, visits.rows_due) == (6, 4)  # 1 March of 2020 to 2023
    assert visits.oldest_at is not None
    assert visits.oldest_at.date().isoformat() == "2020-03-01"
    assert [name[-4:] for name in visits.detachable] == ["2020", "2021", "2022"]  # 2023 still holds rows to keep
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM clinic.visits")).scalar_one() == 6


@pytest.mark.parametrize(
    ("length", "due"),
    [("value: 30, unit: d", 6), ("value: 27, unit: months", 4), ("value: 10, unit: y", 0), ("value: 120, unit: w", 3)],
)
def test_units_are_lengths_on_the_calendar(database: Database, length: str, due: int) -> None:
    domain = clinic(length=f"value: 2, unit: y=>{length}")
    make_clinic(database.engine, domain)
    assert planned(database, domain)["clinic.visits"].rows_due == due


def test_a_row_on_the_cutoff_stays(database: Database) -> None:
    make_clinic(database.engine, clinic())
    now = datetime(2023, 3, 1, tzinfo=UTC)
    assert planned(database, now=now)["clinic.visits"].rows_due == 1  # 2021-03-01 itself is not before the cut-off


def test_a_table_without_a_column_for_age_is_not_guessed_at(database: Database) -> None:
    make_clinic(database.engine, clinic())
    patients = planned(database)["clinic.patients"]
    assert (patients.declared, patients.column, patients.rows_due, patients.rows) == ("2 y", None, None, 6)


def test_an_empty_table_has_nothing_due(database: Database) -> None:
    make_clinic(database.engine, clinic(), with_rows=False)
    visits = planned(database)["clinic.visits"]
    assert (visits.rows, visits.rows_due, visits.oldest_at) == (0, 0, None)


def test_a_legal_hold_is_told(database: Database) -> None:
    make_clinic(database.engine, clinic())
    rules = policies()
    hold = LegalHold(table="clinic.visits", reason="lawsuit", by="counsel", since="2024-01-01")
    rules = dataclasses.replace(rules, retention=dataclasses.replace(rules.retention, legal_holds=(hold,)))
    found = {found.table: found for found in plan_retention(database.engine, clinic(), rules, NOW)}
    assert found["clinic.visits"].held_because == "lawsuit (counsel, since 2024-01-01)"
    assert found["clinic.patients"].held_because is None


@pytest.mark.parametrize("length", ["value: 2, unit: fortnights", "value: 0, unit: y", "value: 1.5, unit: y"])
def test_a_length_that_is_none_is_refused(database: Database, length: str) -> None:
    make_clinic(database.engine, clinic())
    with pytest.raises(ConfigError, match="is not a length of time"):
        planned(database, clinic(length=f"value: 2, unit: y=>{length}"))


def test_a_table_that_is_not_there_is_told(database: Database) -> None:
    with pytest.raises(ConfigError, match="is not in the database"):
        planned(database)
