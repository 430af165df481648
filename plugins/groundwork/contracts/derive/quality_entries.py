"""The `quality` entries of a contract → checks: metrics with their operator, SQL queries, and Great Expectations.

A metric on rows (`nullValues`, `missingValues`, `invalidValues`, `duplicateValues`) becomes the check whose failing
rows are what the metric counts, with the operator as `accepts`; duplicates are all rows that share their value with
another row. In a `sql` query `${schema}`, `${table}` and `${column}` stand for quoted names.
Source: Open Data Contract Standard 3.2, section data quality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import literal

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.column_checks import Found, Untranslated, matches
from groundwork.contracts.derive.conditions import UnsafeSqlError, require_select
from groundwork.contracts.derive.metadata import quote
from groundwork.model.checks import Check
from groundwork.model.comparison import Comparison, Operator
from groundwork.model.vocabulary import CheckKind, Dimension, Severity

_OPERATORS = {
    "mustBe": Operator.EQUAL,
    "mustNotBe": Operator.NOT_EQUAL,
    "mustBeGreaterThan": Operator.GREATER,
    "mustBeGreaterOrEqualTo": Operator.GREATER_OR_EQUAL,
    "mustBeLessThan": Operator.LESS,
    "mustBeLessOrEqualTo": Operator.LESS_OR_EQUAL,
    "mustBeBetween": Operator.BETWEEN,
    "mustNotBeBetween": Operator.NOT_BETWEEN,
}
_DIMENSIONS = {
    **{dimension.value: dimension for dimension in Dimension},
    "conformity": Dimension.VALIDITY,
    "coverage": Dimension.COMPLETENESS,
}
_NO_FAILING_ROW = Comparison(operator=Operator.EQUAL, values=(0,))
_GX_NAMES = {"great-expectations", "great_expectations", "greatexpectations", "gx"}


class UntranslatableError(ValueError):
    """The entry cannot become a check; the message is the reason."""


def quality_checks(table: TableContract) -> Iterator[Found]:
    """Every check of the table's quality entries, then of its columns'."""
    for number, entry in enumerate(table.quality):
        yield from _entry(table, None, entry, number)
    for column in table.columns:
        for number, entry in enumerate(column.quality):
            yield from _entry(table, column, entry, number)


def _entry(
    table: TableContract, column: ColumnContract | None, entry: Mapping[str, Any], number: int
) -> Iterator[Found]:
    place = f"{column.name}: " if column else ""
    name = entry.get("name") or entry.get("metric") or entry.get("type") or f"rule {number + 1}"
    try:
        check = _translate(table, column, entry)
    except UntranslatableError as error:
        yield Untranslated(table=table.qualified_name, what=f"{place}quality rule {name}", reason=str(error))
        return
    yield replace(
        check,
        id=_id(table, column, entry, check),
        dimension=_DIMENSIONS.get(entry.get("dimension", ""), check.dimension),
        severity=_severity(entry),
        description=entry.get("description") or check.description,
    )


def _id(table: TableContract, column: ColumnContract | None, entry: Mapping[str, Any], check: Check) -> str:
    parts = [table.qualified_name, column.name if column else "", str(entry.get("id") or entry.get("name") or "")]
    return ".".join([part for part in parts if part] + [f"quality_{entry.get('metric') or check.kind}"])


def _severity(entry: Mapping[str, Any]) -> Severity:
    word = str(entry.get("severity", Severity.ERROR)).lower()
    return Severity(word) if word in list(Severity) else Severity.ERROR


def _translate(table: TableContract, column: ColumnContract | None, entry: Mapping[str, Any]) -> Check:
    kind = entry.get("type", "library")
    if kind == "text":
        raise UntranslatableError("it is written for people")
    if kind == "sql":
        return _query(table, column, entry)
    if kind == "custom":
        return _expectation(table, column, entry)
    metric = entry.get("metric") or entry.get("rule")
    if metric == "rowCount":
        return _row_count(table, entry)
    rows = _rows_metric(table, column, str(metric), entry.get("arguments") or {})
    accepts, unit = _comparison(entry), str(entry.get("unit", "rows")).lower()
    if unit not in ("rows", "percent"):
        raise UntranslatableError(f"the unit `{unit}` is neither rows nor percent")
    if accepts == _NO_FAILING_ROW:
        return rows
    unit_sign = "%" if unit == "percent" else " rows"
    return replace(
        rows,
        arguments={**rows.arguments, "accepts": accepts, "unit": unit},
        description=f"{rows.description}, failing rows {accepts}{unit_sign}",
    )


def _rows_metric(
    table: TableContract, column: ColumnContract | None, metric: str, arguments: Mapping[str, Any]
) -> Check:
    if metric == "duplicateValues":
        columns = (column.name,) if column else tuple(arguments.get("properties", ()))
        unknown = sorted(set(columns) - {declared.name for declared in table.columns})
        if not columns or unknown:
            raise UntranslatableError(f"`properties` must name columns of the table, found {unknown or 'none'}")
        return _check(table, columns, CheckKind.UNIQUE, Dimension.UNIQUENESS, f"{', '.join(columns)} is unique")
    if column is None:
        raise UntranslatableError(f"the metric {metric} needs a column")
    if metric == "nullValues":
        words = f"{column.name} is not null"
        return _check(table, (column.name,), CheckKind.NOT_NULL, Dimension.COMPLETENESS, words)
    if metric == "missingValues":
        return _missing(table, column, arguments.get("missingValues", [None]))
    if metric == "invalidValues":
        return _invalid(table, column, arguments)
    raise UntranslatableError(f"the metric {metric} is not known")


def _missing(table: TableContract, column: ColumnContract, values: list[object]) -> Check:
    present = f"{quote(column.name)} IS NOT NULL"
    placeholders = [str(value) for value in values if value is not None]
    if placeholders:
        listed = ", ".join(
            str(literal(value).compile(compile_kwargs={"literal_binds": True})) for value in placeholders
        )
        present += f" AND {quote(column.name)}::text NOT IN ({listed})"
    words = f"{column.name} is not missing"
    return _check(table, (column.name,), CheckKind.EXPRESSION, Dimension.COMPLETENESS, words, sql=present)


def _invalid(table: TableContract, column: ColumnContract, arguments: Mapping[str, Any]) -> Check:
    values, pattern = arguments.get("validValues"), arguments.get("pattern")
    if (values is None) == (pattern is None):
        raise UntranslatableError("invalidValues needs either `validValues` or `pattern`")
    if values is not None:
        words = f"{column.name} is one of {', '.join(str(value) for value in values)}"
        return _check(table, (column.name,), CheckKind.IN_SET, Dimension.VALIDITY, words, values=tuple(values))
    found = matches(table, column, str(pattern))
    if isinstance(found, Untranslated):
        raise UntranslatableError(found.reason)
    return found


def _row_count(table: TableContract, entry: Mapping[str, Any]) -> Check:
    accepts = _comparison(entry)
    first, last = accepts.values[0], accepts.values[-1]
    match accepts.operator:
        case Operator.EQUAL | Operator.BETWEEN:
            bounds = {"minimum": first, "maximum": last}
        case Operator.GREATER | Operator.GREATER_OR_EQUAL:
            bounds = {"minimum": first + (1 if accepts.operator is Operator.GREATER else 0)}
        case Operator.LESS | Operator.LESS_OR_EQUAL:
            bounds = {"maximum": last - (1 if accepts.operator is Operator.LESS else 0)}
        case Operator.NOT_EQUAL if first == 0:
            bounds = {"minimum": 1}
        case _:
            raise UntranslatableError(f"`{accepts}` is not one range of row counts; use type sql")
    words = f"the number of rows is {accepts}"
    return _check(table, (), CheckKind.ROW_COUNT, Dimension.COMPLETENESS, words, **bounds)


def _query(table: TableContract, column: ColumnContract | None, entry: Mapping[str, Any]) -> Check:
    names = {"schema": quote(table.schema), "table": f"{quote(table.schema)}.{quote(table.name)}"}
    if column:
        names["column"] = quote(column.name)
    query = str(entry.get("query", "")).strip().rstrip(";")
    for name, quoted in names.items():
        query = query.replace(f"${{{name}}}", quoted)
    try:
        require_select(query)
    except UnsafeSqlError as error:
        raise UntranslatableError(str(error)) from error
    accepts = _comparison(entry)
    columns = (column.name,) if column else ()
    words = f"the query gives a value {accepts}"
    return _check(table, columns, CheckKind.QUERY, Dimension.CONSISTENCY, words, sql=query, accepts=accepts)


def _expectation(table: TableContract, column: ColumnContract | None, entry: Mapping[str, Any]) -> Check:
    implementation = entry.get("implementation")
    if str(entry.get("engine", "")).lower() not in _GX_NAMES or not isinstance(implementation, Mapping):
        raise UntranslatableError(f"rules of the engine {entry.get('engine')} are not run here")
    if "type" not in implementation:
        raise UntranslatableError("an expectation needs its `type`")
    kwargs = dict(implementation.get("kwargs", {}))
    columns = (str(kwargs["column"]),) if "column" in kwargs else (column.name,) if column else ()
    if column and "column" not in kwargs:
        kwargs["column"] = column.name
    arguments = {"type": str(implementation["type"]), "kwargs": kwargs}
    return _check(table, columns, CheckKind.EXPECTATION, Dimension.VALIDITY, str(implementation["type"]), **arguments)


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    given = [name for name in _OPERATORS if name in entry]
    if len(given) != 1:
        raise UntranslatableError(f"expected one operator (mustBe, …), found {', '.join(given) or 'none'}")
    value = entry[given[0]]
    try:
        values = tuple(value) if isinstance(value, list) else (value,)
        return Comparison(operator=_OPERATORS[given[0]], values=values)
    except ValueError as error:
        raise UntranslatableError(str(error)) from error


def _check(
    table: TableContract,
    columns: tuple[str, ...],
    kind: CheckKind,
    dimension: Dimension,
    description: str,
    **arguments: object,
) -> Check:
    return Check(
        id="",  # the entry's own id follows
        schema=table.schema,
        table=table.name,
        columns=columns,
        kind=kind,
        arguments=arguments,
        dimension=dimension,
        description=description,
    )
