"""Contract → suites of Great Expectations, in the form of the library's own files: one suite per table.

More than the engine runs itself (`groundwork.quality.great_expectations` leaves keys of several columns, references and
conditions to SQL, which is faster): here they are told as well, as compound keys and as queries for unexpected rows, so
that a suite stands for the contract by itself. What no expectation can say is told by `as_entry` as null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import column, select, table
from sqlalchemy.dialects import postgresql

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.predicate import ROW_KINDS, failing
from groundwork.model.checks import Check
from groundwork.model.comparison import Comparison, Operator
from groundwork.model.vocabulary import CheckKind, Severity
from groundwork.quality.great_expectations import as_expectation, can_express

_BATCH = "groundwork_batch"


def suites(domain: Domain, tables: Sequence[TableContract]) -> dict[str, Any]:
    """The suites of `tables` by the table's qualified name, each entry with its check's id in `meta`."""
    derived = derive_checks(domain)
    found = {}
    for each in tables:
        entries = [as_entry(check, each) for check in derived.of_table(each.schema, each.name)]
        found[each.qualified_name] = {
            "name": each.qualified_name,
            "meta": {"domain": domain.name, "table": each.qualified_name},
            "expectations": [entry for entry in entries if entry is not None],
        }
    return found


def as_entry(check: Check, table: TableContract) -> dict[str, Any] | None:
    """The check as an entry of a suite file; null when no expectation says the same."""
    mostly = _mostly(check)
    if mostly is None:
        return None
    if can_express(check):
        found = as_expectation(check)
        kind, kwargs = found["type"], dict(found["kwargs"])
    elif check.kind is CheckKind.UNIQUE:
        kind = "expect_compound_columns_to_be_unique"
        kwargs = {"column_list": list(check.columns), "ignore_row_if": "any_value_is_missing"}
    elif check.kind in ROW_KINDS and not mostly:
        kind, kwargs = "unexpected_rows_expectation", {"unexpected_rows_query": _query(check, table)}
    else:
        return None
    severity = "critical" if check.severity is Severity.ERROR else "warning"
    told = {"check": check.id, "dimension": str(check.dimension), "description": check.description}
    return {"type": kind, "kwargs": _plain({**kwargs, **mostly}), "severity": severity, "meta": told}


def _mostly(check: Check) -> dict[str, float] | None:
    """The library's word for a tolerance; null for one that it has no word for."""
    accepts = check.arguments.get("accepts")
    if accepts is None:
        return {}
    is_share = check.arguments.get("unit") == "percent" and len(check.columns) == 1 and can_express(check)
    if isinstance(accepts, Comparison) and is_share and accepts.operator is Operator.LESS_OR_EQUAL:
        return {"mostly": 1 - float(accepts.values[0]) / 100}
    return None


def _query(check: Check, contract: TableContract) -> str:
    """The query for the keys of the rows that break the check, as the library fills it in."""
    batch = table(_BATCH, *(column(each.name) for each in contract.columns))
    shown = contract.primary_key or check.columns or (contract.columns[0].name,)
    statement = select(*(batch.c[name] for name in shown)).where(failing(check, batch))
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    text = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", text)  # else a parameter to the library
    text = text.replace("{", "{{").replace("}", "}}")  # else a field to fill in
    rows = f"FROM (SELECT * FROM {{batch}}) AS {_BATCH}"  # noqa: S608  the library's own field, and a fixed name
    return text.replace(f"FROM {_BATCH}", rows, 1)


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it, numbers kept as numbers."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return value
