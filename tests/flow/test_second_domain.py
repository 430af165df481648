"""A second domain, of real data that nobody made for Groundwork: a year of flights from New York."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.flow.loads.order import load_levels
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]

PROJECT = Path(__file__).resolve().parents[2]


def _load(database: Database) -> dict[str, LoadResult]:
    domain = read_domain("flights", PROJECT / "examples" / "contracts")
    tables = [table for level in load_levels(domain) for table in level]
    return {table.name: load_table(database.engine, domain, table, project=PROJECT, run_id="test") for table in tables}


def test_a_year_of_flights_is_loaded_and_its_faults_are_found(database: Database) -> None:
    domain = read_domain("flights", PROJECT / "examples" / "contracts")
    with database.engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)
    first = _load(database)
    assert all(result.is_balanced for result in first.values())
    assert {name: (result.read, result.loaded, dict(result.reasons)) for name, result in first.items()} == {
        "airlines": (16, 16, {}),
        "airports": (1458, 1458, {}),
        "planes": (3322, 3322, {}),
        "weather": (26_115, 26_114, {"between:wind_speed_mph": 1}),  # a wind of 1,048 miles per hour
        "flights": (
            336_776,
            329_174,
            {"references:destination_code": 7_602},
        ),  # four airports of Puerto Rico and the Virgin Islands
    }
    with database.engine.connect() as connection:
        raw = connection.scalar(text("SELECT raw FROM groundwork_flow.quarantine WHERE table_name = 'weather'"))
        assert raw["wind_speed"] == "1048.36058"
        late = text(
            "SELECT a.airline_name, round(avg(f.departure_delay_min)) AS minutes FROM flights.flights AS f "
            "JOIN flights.airlines AS a USING (carrier) GROUP BY 1 ORDER BY avg(f.departure_delay_min) DESC LIMIT 1"
        )
        assert connection.execute(late).one() == ("Frontier Airlines Inc.", 20)
    again = _load(database)
    assert {name: (result.loaded, result.updated) for name, result in again.items()} == dict.fromkeys(again, (0, 0))
