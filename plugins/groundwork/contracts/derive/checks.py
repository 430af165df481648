"""Contract → checks: everything a contract asks of its data, in the neutral form of `groundwork.model.checks`.

Nothing is dropped: what cannot become a check is listed with the reason. Ids read
`<schema>.<table>[.<columns or name>].<kind>`, with a number behind where two checks would share one; they depend on the
contract alone and stay the same from run to run.

A null value satisfies every check but `not_null`, as it satisfies a CHECK constraint. The default dimensions:
completeness for `not_null` and `row_count`, uniqueness for `unique`, timeliness for `freshness`, consistency for
`references` and conditions across columns, validity for the rest; a quality rule's own `dimension` wins. Accuracy has
no derived check: it compares with the world outside, which only rules written by hand can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.column_checks import Found, Untranslated, column_checks
from groundwork.contracts.derive.conditions import UnsafeSqlError, condition_columns
from groundwork.contracts.derive.quality_entries import quality_checks
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Dimension, Severity

_SECONDS = {
    **dict.fromkeys(("s", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
    **dict.fromkeys(("mo", "month", "months"), 2_592_000),  # 30 days
    **dict.fromkeys(("y", "yr", "year", "years"), 31_536_000),  # 365 days
}


@dataclass(frozen=True, kw_only=True)
class DerivedChecks:
    """The checks of a domain in order of table and declaration, and what could not become one."""

    checks: tuple[Check, ...]
    untranslated: tuple[Untranslated, ...]

    def of_table(self, schema: str, table: str) -> tuple[Check, ...]:
        """The checks of one table."""
        return tuple(check for check in self.checks if (check.schema, check.table) == (schema, table))


def derive_checks(domain: Domain) -> DerivedChecks:
    """Every check that the domain's contracts ask for."""
    found = [item for table in domain.tables for item in _table(table, domain)]
    checks = _with_unique_ids([item for item in found if isinstance(item, Check)])
    return DerivedChecks(checks=checks, untranslated=tuple(item for item in found if isinstance(item, Untranslated)))


def _table(table: TableContract, domain: Domain) -> Iterator[Found]:
    yield from _keys(table)
    for column in table.columns:
        yield from column_checks(table, column)
    yield from _relationships(table, domain)
    yield from _conditions(table)
    yield from quality_checks(table)
    if table.freshness:
        yield _freshness(table)


def _keys(table: TableContract) -> Iterator[Check]:
    keys = [key.columns for key in table.unique_keys]
    keys += [tuple(key.column or "" for key in index.keys) for index in table.indexes if _is_plain_key(index)]
    for columns in dict.fromkeys([table.primary_key, *keys] if table.primary_key else keys):
        yield Check(
            id=f"{table.qualified_name}.{'+'.join(columns)}.unique",
            schema=table.schema,
            table=table.name,
            columns=columns,
            kind=CheckKind.UNIQUE,
            dimension=Dimension.UNIQUENESS,
            description=f"no two rows share {', '.join(columns)}",
        )


def _is_plain_key(index: object) -> bool:
    """Whether a unique index covers all rows by plain columns, which makes it a key."""
    keys = getattr(index, "keys", ())
    return bool(
        getattr(index, "is_unique", False) and not getattr(index, "where", None) and all(k.column for k in keys)
    )


def _relationships(table: TableContract, domain: Domain) -> Iterator[Check]:
    for relationship in table.relationships:
        target = domain.table(relationship.target_table)
        columns = "+".join(relationship.columns)
        yield Check(
            id=f"{table.qualified_name}.{columns}.references",
            schema=table.schema,
            table=table.name,
            columns=relationship.columns,
            kind=CheckKind.REFERENCES,
            arguments={"schema": target.schema, "table": target.name, "columns": relationship.target_columns},
            dimension=Dimension.CONSISTENCY,
            description=f"every {columns} exists in {target.qualified_name}",
        )


def _conditions(table: TableContract) -> Iterator[Found]:
    for constraint in table.checks:
        condition = constraint.condition or ""
        try:
            mentioned = condition_columns(condition)
        except UnsafeSqlError as error:
            yield Untranslated(table=table.qualified_name, what=f"check {constraint.name}", reason=str(error))
            continue
        yield Check(
            id=f"{table.qualified_name}.{constraint.name}.expression",
            schema=table.schema,
            table=table.name,
            columns=tuple(column.name for column in table.columns if column.name in mentioned),
            kind=CheckKind.EXPRESSION,
            arguments={"sql": condition},
            dimension=Dimension.CONSISTENCY if len(mentioned) > 1 else Dimension.VALIDITY,
            description=condition,
        )


def _freshness(table: TableContract) -> Found:
    """The age of the youngest row by the column in which the database itself writes the time, the last one declared.

    A business date would not do: it says when something happened in the world, and history stays old. A table without
    such a column is as fresh as its last load. Staleness is a warning, because the rows may all be right.
    """
    value, unit = table.freshness or (0.0, "d")
    written = [c.name for c in table.columns if c.default in ("now()", "CURRENT_TIMESTAMP") and c.generated is None]
    if unit.lower() not in _SECONDS:
        return Untranslated(table=table.qualified_name, what="freshness", reason=f"the unit `{unit}` is not known")
    if not written and table.source is None:
        reason = "no column says when a row was written (timestamp with default now()), and nothing loads the table"
        return Untranslated(table=table.qualified_name, what="freshness", reason=reason)
    columns, subject = tuple(written[-1:]), "newest row" if written else "last load"
    return Check(
        id=".".join([table.qualified_name, *columns, CheckKind.FRESHNESS]),
        schema=table.schema,
        table=table.name,
        columns=columns,
        kind=CheckKind.FRESHNESS,
        arguments={
            "column": written[-1] if written else None,
            "maximum_age_seconds": int(value * _SECONDS[unit.lower()]),
        },
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        description=f"the {subject} is at most {value:g} {unit} old",
    )


def _with_unique_ids(checks: list[Check]) -> tuple[Check, ...]:
    seen: Counter[str] = Counter()
    found = []
    for check in checks:
        seen[check.id] += 1
        found.append(replace(check, id=f"{check.id}.{seen[check.id]}") if seen[check.id] > 1 else check)
    return tuple(found)
