"""What is derived says the same as our own check: JSON Schema refuses what we do, expectations find what we find."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from groundwork.access.check import check_rows
from groundwork.access.derived import Target, derive
from groundwork.access.relation import relation
from groundwork.access.validation import RowRules
from groundwork.catalog.session import run
from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.json_schema import is_server_made
from groundwork.contracts.diff import compare_domain
from tests.access.check_samples import everything, thing
from tests.contracts.samples import market, shop
from tests.fix_postgres import Database

_MARKET = market()
_UNSAID = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_json_schema_judges_rows_as_we_do(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(_MARKET.tables))
    row = {
        column.name: data.draw(_value(column))
        for column in table.columns
        if not is_server_made(column) and data.draw(st.sampled_from([True] * 9 + [False]))
    }
    if data.draw(st.sampled_from([True] + [False] * 9)):
        row["stranger"] = 1
    ours = _errors(table, row)
    schema = jsonschema_rs.validator_for(
        json.loads(derive(Target.JSON_SCHEMA, _MARKET, table).text), validate_formats=True
    )
    theirs = {str(error.instance_path[0]) if error.instance_path else "" for error in schema.iter_errors(row)}
    inside = {name for name in ours if name in row and name != "stranger"}
    assert theirs - {""} == inside, row
    assert ("" in theirs) == bool(ours - inside), row


def _errors(table: TableContract, row: dict[str, Any]) -> set[str]:
    found: list[Any] = []
    RowRules(relation(table)).read_row(0, row, found)
    return {str(error.column) for error in found}


def _value(column: ColumnContract) -> st.SearchStrategy[Any]:
    """Values that fit, that nearly fit, and that do not; the range of a date is one thing JSON Schema cannot say."""
    kind = column.type.partition("(")[0]
    number = (
        st.integers(-10, 2000) | st.integers(-(2**70), 2**70) | st.floats(-1e13, 1e13).map(lambda each: round(each, 3))
    )
    fitting: dict[str, st.SearchStrategy[Any]] = {
        "uuid": st.uuids().map(str),
        "date": st.dates(min_value=date(1990, 1, 1)).map(str),
        "timestamptz": st.sampled_from(["2012-01-01T00:00:00Z", "2012-01-01T00:00:00.5+02:00"]),
        "boolean": st.booleans(),
        "jsonb": st.sampled_from([{}, {"a": [1, None]}, [], ["x"]]),
        "text[]": st.lists(st.text("ab", max_size=2), max_size=3),
        "text": st.text("ABCabc.-_ 12", max_size=12) | st.sampled_from(list(column.allowed_values) or ["ABC"]),
    }
    other = st.sampled_from([True, "x", "2012-1-1", [], {}, 1.5, "A" * 300])
    return st.one_of(fitting.get(kind, number), fitting.get(kind, number), other, st.none())


@pytest.mark.postgres
@pytest.mark.parametrize("domain", [shop(), everything()], ids=lambda domain: domain.name)
def test_ddl_makes_what_the_contracts_declare(domain: Domain, database: Database) -> None:
    with database.engine.begin() as connection:
        for statement in derive(Target.DDL, domain).text.split(";\n\n"):
            if statement.strip():
                run(connection, statement)
        assert compare_domain(connection, domain).changes == ()


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_expectations_find_what_we_find(database: Database) -> None:
    """The derived suite on a table without constraints, with one row wrong by each entry."""
    from groundwork.quality.great_expectations import build_suite, great_expectations

    domain = everything()
    table = domain.table("things")
    rows: list[dict[str, Any]] = [
        thing(1),
        thing(2, code="x"),
        thing(3, day="1999-01-01"),
        thing(4, small=7),
        thing(5, small=-10),
    ]
    rows += [
        thing(6, high=-200),
        thing(7, ratio=3),
        thing(8, at="2000-01-01T00:00:00Z"),
        thing(9, mail="x"),
        thing(10, state="x"),
    ]
    rows += [
        thing(11, parent_id=99),
        thing(12, low=2, high=1),
        thing(13, label="1234567"),
        thing(14, label="xxx"),
        thing(15, label="!"),
    ]
    rows += [thing(16, code="ZZ"), thing(17, code="ZZ"), thing(18, code="A B")]
    suite = json.loads(derive(Target.GX, domain).text)["everything.things"]
    with database.engine.begin() as connection:
        for statement in derive(Target.DDL, domain).text.split(";\n\n"):
            if statement.startswith(("CREATE SCHEMA", "CREATE TYPE")):
                run(connection, statement)
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns if column.name != "mood")
        run(connection, f"CREATE TABLE everything.things ({columns})")
        for row in rows:
            names = ", ".join(row)
            values = ", ".join(f"'{value}'" for value in row.values())
            run(connection, f"INSERT INTO everything.things ({names}, flag) VALUES ({values}, false)")
    built = build_suite("things", suite["expectations"])
    with great_expectations(database.engine.url) as context:
        batch = context._whole("everything", "things").get_batch()
        results = batch.validate(built, result_format="BASIC").results
    failed = {
        result.expectation_config.meta["check"].removeprefix("everything.things.")
        for result in results
        if not result.success
    }
    raised = [result.exception_info for result in results if "raised_exception': True" in str(result.exception_info)]
    assert not raised, "\n".join(str(each)[-600:] for each in raised)
    assert failed == {
        "code+day.unique", "code.length", "code.matches", "day.between", "small.between", "small.expression",
        "high.between", "ratio.between", "at.between", "mail.matches", "state.in_set", "parent_id.references",
        "things_range_check.expression", "things_label_check.expression", "things_regexp_check.expression",
        "label.quality_invalidValues",
    }  # fmt: skip
    with database.engine.connect() as connection:
        report = check_rows(connection, domain, table, rows)
        assert connection.execute(text("SELECT count(*) FROM everything.things")).scalar_one() == len(rows)
    assert {error.row for error in report.errors if "not in the table" not in error.expected} == set(range(2, 19)) - {
        16
    }
