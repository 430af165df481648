"""Property: whatever typed rows are written as CSV, the inferred types hold every value, as PostgreSQL itself says."""

from __future__ import annotations

import csv
import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from groundwork.infer.files import infer_files
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres

_DECIMALS = st.decimals(min_value=-(10**12), max_value=10**12, places=3, allow_nan=False, allow_infinity=False)
_PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
_COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "quantity": st.integers(-(2**31), 2**31 - 1),
    "big_count": st.integers(-(2**63), 2**63 - 1),
    "amount": _DECIMALS,
    "reading": st.floats(allow_nan=False, allow_infinity=False),
    "is_good": st.booleans(),
    "day_date": st.dates(),
    "seen_at": st.datetimes(),
    "zoned_at": st.datetimes(timezones=st.just(UTC)),
    "token": st.uuids(),
    "words": _PLAIN,
    "document": st.dictionaries(_PLAIN, st.integers(), min_size=1, max_size=2).map(json.dumps),
}
_KINDS = {
    "is_good": {"boolean"}, "day_date": {"date"}, "seen_at": {"timestamp"}, "zoned_at": {"timestamptz"},
    "token": {"uuid"}, "document": {"jsonb"}, "big_count": {"integer", "bigint"}, "quantity": {"integer", "bigint"},
}  # fmt: skip


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(st.fixed_dictionaries(_COLUMNS), min_size=1, max_size=12))
def test_types_hold_every_value_of_any_csv(
    module_database: Database, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row_key", *_COLUMNS])
        writer.writerows([n, *(str(row[name]) for name in _COLUMNS)] for n, row in enumerate(rows, 1))
    proposal = infer_files(path, domain="shop", project=tmp_path)
    types = {each["name"]: each["physicalType"] for each in proposal.document["schema"][0]["properties"]}
    assert {name: types[name] for name, kinds in _KINDS.items() if types[name] not in kinds} == {}
    with module_database.engine.connect() as connection:
        connection.execute(text("SET LOCAL datestyle = 'ISO, YMD'"))
        connection.execute(text("SET LOCAL timezone = 'UTC'"))
        for name in _COLUMNS:
            values = [str(row[name]) for row in rows if str(row[name])]
            if types[name] != "text":
                assert _changed(connection, types[name], values) == []


def _changed(connection: Any, physical_type: str, values: list[str]) -> list[str]:
    """Values that the type does not give back as they were; a value it refuses raises."""
    plain = "numeric" if physical_type.startswith(("numeric", "integer", "bigint")) else physical_type
    query = text(
        f"SELECT v FROM unnest(CAST(:values AS text[])) AS v "
        f"WHERE CAST(CAST(CAST(v AS {physical_type}) AS text) AS {plain}) IS DISTINCT FROM CAST(v AS {plain})"
    )
    return list(connection.scalars(query, {"values": values}))
