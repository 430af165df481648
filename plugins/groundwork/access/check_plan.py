"""What a contract asks of rows beyond their single fields, sorted by who can look at it.

Keys and references are looked up, conditions over a row are evaluated, and what is about a whole table is told as not
checked, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.access.check_report import NotChecked
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.column_checks import column_checks
from groundwork.contracts.derive.metadata import quote
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Severity

_COLUMN_KINDS = (CheckKind.IN_SET, CheckKind.MATCHES, CheckKind.NOT_NULL)


@dataclass(frozen=True, kw_only=True)
class Key:
    """Columns that no two rows share; rows with a null in them are never equal unless `nulls_not_distinct`."""

    columns: tuple[str, ...]
    is_primary: bool
    nulls_not_distinct: bool = False


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Columns whose values exist in another table, or in this one (`is_to_itself`)."""

    columns: tuple[str, ...]
    target: TableContract
    target_columns: tuple[str, ...]
    is_to_itself: bool


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A boolean expression over one row, true or null when the row is good."""

    columns: tuple[str, ...]
    sql: str
    description: str


@dataclass(frozen=True, kw_only=True)
class CheckPlan:
    """Everything to look at beside the columns' own rules; `extra` are quality rules on single columns."""

    keys: tuple[Key, ...]
    references: tuple[Reference, ...]
    conditions: tuple[Condition, ...]
    extra: tuple[Check, ...]
    not_checked: tuple[NotChecked, ...]

    @property
    def wanted(self) -> frozenset[str]:
        """The columns that any of it mentions."""
        return frozenset(
            name for items in (self.keys, self.references, self.conditions) for item in items for name in item.columns
        )


def plan_checks(domain: Domain, table: TableContract) -> CheckPlan:
    """The plan for rows of one table; raises ConfigError when a reference's target is not declared."""
    derived = derive_checks(domain)
    of_fields = {
        check.id for column in table.columns for check in column_checks(table, column) if isinstance(check, Check)
    }
    conditions, extra, keys = [], [], list(_keys(table))
    not_checked = [
        NotChecked(what=item.what, why=item.reason)
        for item in derived.untranslated
        if item.table == table.qualified_name
    ]
    for check in derived.of_table(table.schema, table.name):
        if check.id in of_fields or check.kind is CheckKind.REFERENCES:
            continue
        why = _why_not(check)
        if why:
            not_checked.append(NotChecked(what=check.description or check.id, why=why))
        elif check.kind is CheckKind.EXPRESSION:
            sql = str(check.arguments["sql"])
            conditions.append(Condition(columns=check.columns, sql=sql, description=check.description or sql))
        elif check.kind in _COLUMN_KINDS:
            extra.append(check)
        elif check.kind is CheckKind.UNIQUE and check.columns not in {key.columns for key in keys}:
            keys.append(Key(columns=check.columns, is_primary=False))
    return CheckPlan(
        keys=tuple(keys),
        references=tuple(_references(domain, table)),
        conditions=(*conditions, *_full_matches(table)),
        extra=tuple(extra),
        not_checked=(*not_checked, *_partial_keys(table)),
    )


def _why_not(check: Check) -> str | None:
    if check.kind in (CheckKind.ROW_COUNT, CheckKind.FRESHNESS, CheckKind.QUERY, CheckKind.EXPECTATION):
        return "it is about the whole table, which the quality run looks at"
    if "accepts" in check.arguments:
        return "it tolerates some bad rows in the table, which the quality run counts"
    if check.severity is not Severity.ERROR:
        return "it is a warning, which keeps no row out"
    return None


def _keys(table: TableContract) -> Iterator[Key]:
    found: dict[tuple[str, ...], Key] = {}
    if table.primary_key:
        found[table.primary_key] = Key(columns=table.primary_key, is_primary=True)
    for key in table.unique_keys:
        made = Key(columns=key.columns, is_primary=False, nulls_not_distinct=key.nulls_not_distinct)
        found.setdefault(key.columns, made)
    for index in table.indexes:
        columns = tuple(key.column or "" for key in index.keys)
        if index.is_unique and not index.where and all(columns):
            made = Key(columns=columns, is_primary=False, nulls_not_distinct=index.nulls_not_distinct)
            found.setdefault(columns, made)
    yield from found.values()


def _partial_keys(table: TableContract) -> Iterator[NotChecked]:
    for index in table.indexes:
        if index.is_unique and (index.where or not all(key.column for key in index.keys)):
            yield NotChecked(
                what=f"the unique index {index.name}",
                why="it has a condition or an expression; the database holds to it when rows are saved",
            )


def _full_matches(table: TableContract) -> Iterator[Condition]:
    """MATCH FULL: a reference is null as a whole or not at all."""
    for relationship in table.relationships:
        if relationship.match == "FULL" and len(relationship.columns) > 1:
            names = [quote(name) for name in relationship.columns]
            none = " AND ".join(f"{name} IS NULL" for name in names)
            every = " AND ".join(f"{name} IS NOT NULL" for name in names)
            words = f"{', '.join(relationship.columns)} are null together or not at all"
            yield Condition(columns=relationship.columns, sql=f"({none}) OR ({every})", description=words)


def _references(domain: Domain, table: TableContract) -> Iterator[Reference]:
    for relationship in table.relationships:
        target = domain.table(relationship.target_table)
        yield Reference(
            columns=relationship.columns,
            target=target,
            target_columns=tuple(target.column(name).name for name in relationship.target_columns),
            is_to_itself=target.qualified_name == table.qualified_name,
        )
