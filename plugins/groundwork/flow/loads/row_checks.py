"""The checks a row must pass on its way in, found by one query per batch.

What a check means in SQL is the business of `groundwork.contracts.derive.predicate`; here is decided which checks
concern a row that is not in its table yet. Keys and references within the table do not:
`groundwork.flow.loads.publish` sees the whole load. A check that tolerates failing rows, or is only a warning, keeps no
row out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Table, func, literal_column, or_, select

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.predicate import ROW_KINDS, failing
from groundwork.flow.loads.examination import POSITION
from groundwork.flow.record import Reason, Rule
from groundwork.flow.source import fillable
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Severity

_FINITE_TYPES = ("numeric", "decimal", "real", "float", "double")
_CLOCK_TYPES = ("date", "timestamp")
_Rule = tuple[Reason, ColumnElement[bool]]


class RowChecks:
    """The row checks of one table; references are looked up in `schema` where the referenced table exists there."""

    def __init__(self, connection: Connection, domain: Domain, table: TableContract, schema: str) -> None:
        self._connection = connection
        self._contract = table
        staged = {column.name for column in fillable(table)}
        has_default = {column.name for column in table.columns if column.default is not None or column.identity}
        self._checks = [
            self._relocated(check, schema)
            for check in derive_checks(domain).of_table(table.schema, table.name)
            if _concerns_a_row(check)
            and not _is_about_itself(check)
            and staged.issuperset(check.columns)
            and not (check.kind is CheckKind.NOT_NULL and has_default.issuperset(check.columns))
        ]

    @property
    def checks(self) -> Sequence[Check]:
        """The checks of the contract that concern single rows on their way in."""
        return self._checks

    @property
    def finite_columns(self) -> Sequence[str]:
        """Columns that could hold NaN or infinity, which no check may let through."""
        return [column.name for column in fillable(self._contract) if has_finite_rule(column.type)]

    def broken(self, staging: Table) -> dict[int, list[Reason]]:
        """Position → every reason, of the rows of `staging`."""
        found: dict[int, list[Reason]] = defaultdict(list)
        rules = self._rules(staging)
        single = [rule for rule in rules if rule[0].rule != CheckKind.REFERENCES]
        if single:
            failed = [func.coalesce(predicate, False) for _, predicate in single]
            query = select(staging.c[POSITION], *failed).where(or_(*(predicate for _, predicate in single)))
            for row in self._connection.execute(query):
                flags = zip(single, row[1:], strict=True)
                found[row[0]] += [reason for (reason, _), is_broken in flags if is_broken]
        for reason, predicate in rules:
            if reason.rule == CheckKind.REFERENCES:  # alone, so that the server can join instead of looking up each
                orphans: Iterable[int] = self._connection.scalars(select(staging.c[POSITION]).where(predicate))
                for position in orphans:
                    found[position].append(reason)
        return dict(found)

    def all_hold(self, table: FromClause, proven: Container[str] = ()) -> bool:
        """Whether no row of `table` breaks any check; those whose ids are `proven` are known to hold."""
        rules = self._rules(table, proven)
        single = [predicate for reason, predicate in rules if reason.rule != CheckKind.REFERENCES]
        queries = [or_(*single)] if single else []
        queries += [predicate for reason, predicate in rules if reason.rule == CheckKind.REFERENCES]
        one: ColumnElement[int] = literal_column("1")
        return all(
            self._connection.execute(select(one).select_from(table).where(query).limit(1)).first() is None
            for query in queries
        )

    def _rules(self, table: FromClause, proven: Container[str] = ()) -> list[_Rule]:
        rules = [(_reason(check), failing(check, table)) for check in self._checks if check.id not in proven]
        return rules + [
            rule
            for column in fillable(self._contract)
            if finite(column.name) not in proven
            for rule in _finite(column.name, column.type, table)
        ]

    def _relocated(self, check: Check, schema: str) -> Check:
        if check.kind is not CheckKind.REFERENCES or check.arguments["schema"] == schema:
            return check
        name = func.format("%I.%I", schema, str(check.arguments["table"]))
        is_there = self._connection.scalar(select(func.to_regclass(name).is_not(None)))
        return replace(check, arguments={**check.arguments, "schema": schema}) if is_there else check


def _concerns_a_row(check: Check) -> bool:
    return (
        check.kind in ROW_KINDS
        and check.kind is not CheckKind.UNIQUE
        and check.severity is Severity.ERROR
        and "accepts" not in check.arguments
    )


def _is_about_itself(check: Check) -> bool:
    """Whether rows refer to rows of the same table, which may come in the same load."""
    is_reference = check.kind is CheckKind.REFERENCES
    return is_reference and (check.arguments["schema"], check.arguments["table"]) == (check.schema, check.table)


def _reason(check: Check) -> Reason:
    column = check.columns[0] if len(check.columns) == 1 else None
    if check.kind is CheckKind.EXPRESSION:
        return Reason(rule=check.kind, column=column, message=f"expected {check.description} ({check.id})")
    return Reason(rule=check.kind, column=column, message=f"expected that {check.description}")


def finite(column: str) -> str:
    """The id under which it is proven that a column holds neither NaN nor infinity."""
    return f"{column}.{Rule.NOT_FINITE}"


def has_finite_rule(type_name: str) -> bool:
    """Whether values of this type could be NaN or infinite."""
    lowered = type_name.lower()
    return not lowered.endswith("[]") and lowered.startswith((*_FINITE_TYPES, *_CLOCK_TYPES))


def _finite(name: str, declared: str, table: FromClause) -> Sequence[_Rule]:
    """NaN and infinity pass every range that has no upper end; they are not prices, amounts or days."""
    column: ColumnElement[Any] = table.c[name]
    lowered = declared.lower()
    reason = Reason(rule=Rule.NOT_FINITE, column=name, message=f"expected that {name} is finite")
    if lowered.endswith("[]"):
        return []
    if lowered.startswith(_FINITE_TYPES):
        # PostgreSQL sorts NaN above infinity, so one comparison finds both.
        return [(reason, or_(column >= literal_column("'Infinity'"), column <= literal_column("'-Infinity'")))]
    if lowered.startswith(_CLOCK_TYPES):
        return [(reason, ~func.isfinite(column))]
    return []
