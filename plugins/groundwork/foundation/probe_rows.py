"""Rows made from contracts to try the live system with: valid, the same every time, and removed afterwards.

Each table gets one row that meets its contract and points at the other tables' probe rows. Keys are fixed, so that
what a broken run left behind is found and removed by the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sqlalchemy import Engine
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.access.relation import Relation, relation
from groundwork.access.repository import Repositories
from groundwork.access.validation import RowRules
from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.json_schema import is_server_made
from groundwork.model.errors import ConfigError

ProbeRow = Mapping[str, object]
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "probe.groundwork.invalid")
_DAY = date(1999, 1, 4)  # long past, so that no freshness check takes a probe for news
_TEXTS = (
    "groundwork_probe", "GWPROBE", "groundwork.probe@example.com", "probe", "PROBE", "Probe", "gw", "GW", "g", "G",
    "+14155550100", "2000-01-04", "https://example.com/probe", "0000000000", "1", "US", "USD",
)  # fmt: skip


def probe_rows(domain: Domain, variant: int = 1) -> dict[str, dict[str, object]]:
    """One row per table by its name, in an order in which they can be inserted.

    Rows of another `variant` differ in every value that identifies them, and point at the rows of variant 1.
    Raises: ConfigError when no value can be found that meets a column's rules, or required references form a circle.
    """
    base = {name: dict(row) for name, row in _first_rows(domain.name, _tables(domain)).items()}
    if variant == 1:
        return base
    return {table.name: _row(domain.name, table, relation(table), base, variant) for table in map(domain.table, base)}


@contextmanager
def placed(engine: Engine, domain: Domain) -> Iterator[dict[str, dict[str, object]]]:
    """The probe rows of variant 1, in the database as long as the block lasts."""
    rows = probe_rows(domain)
    repositories = Repositories(engine, domain)
    remove(repositories, rows)
    try:
        with repositories.transaction() as transaction:
            for name, row in rows.items():
                transaction[name].insert([row])
        yield rows
    finally:
        remove(repositories, rows)


def remove(repositories: Repositories, rows: Mapping[str, ProbeRow]) -> None:
    """Delete probe rows, the ones that point at others first; rows that are not there are no error.

    Raises: ConfigError, deleting nothing, when a row has a probe's key but not its values: it is somebody's.
    """
    with repositories.transaction() as transaction:
        for name, row in reversed(list(rows.items())):
            repository = transaction[name]
            key = {column: row[column] for column in repository.relation.key}
            found = repository.get(key)
            if found is None:
                continue
            if not _is_probe(found, row):
                raise ConfigError(
                    "a row that is no probe has the key of the probe row",
                    where=repository.relation.contract.qualified_name,
                    expected=f"no row with the key {key}, which is kept for checks",
                    found="a row with other values",
                    next_step="give that row another key",
                )
            repository.delete(key)


def _is_probe(found: ProbeRow, row: ProbeRow) -> bool:
    """Whether at most two values differ: a check changes one, and the version moves with it."""
    return sum(found[name] != value for name, value in row.items() if name in found) <= 2


def another_value(table: TableContract, column: ColumnContract, current: object) -> object | None:
    """A value of the column that differs from `current` and meets its rules; null when none is found."""
    rules = RowRules(relation(table))
    kind = relation(table).types[column.name]
    found = (value for value in _candidates(table, column, kind, 0, 3) if rules.accepts(column.name, value))
    return next((value for value in found if value != current), None)


def _tables(domain: Domain) -> tuple[TableContract, ...]:
    by_name = {table.name: table for table in domain.tables}
    needs = {
        table.name: {domain.table(each.target_table).name for each in table.relationships} - {table.name}
        for table in domain.tables
    }
    try:
        return tuple(by_name[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise ConfigError(
            "tables point at one another in a circle, so no first row can be made",
            where=f"domain {domain.name}",
            found=" → ".join(error.args[1]),
            next_step="make one of the references optional",
        ) from error


def _first_rows(domain: str, tables: tuple[TableContract, ...]) -> dict[str, dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    for table in tables:
        rows[table.name] = _row(domain, table, relation(table), rows, 1)
    return rows


def _row(
    domain: str, table: TableContract, known: Relation, others: Mapping[str, ProbeRow], variant: int
) -> dict[str, object]:
    rules = RowRules(known)
    row: dict[str, object] = {}
    referenced = _referenced(table, others)
    for position, column in enumerate(table.columns):
        if is_server_made(column):
            continue
        if column.name in referenced and (variant == 1 or column.name not in table.primary_key):
            row[column.name] = referenced[column.name]
            continue
        kind = known.types[column.name]
        candidates = _candidates(table, column, kind, position, variant)
        value = next((each for each in candidates if rules.accepts(column.name, each)), None)
        if value is None and column.is_required:
            raise ConfigError(
                "no probe value meets the rules of this column",
                where=f"{domain}: {table.qualified_name}.{column.name}",
                expected=f"one of the probe's values of type {column.type} to be valid",
                found=f"options {dict(column.options)}",
                next_step="loosen the pattern, or list allowed values as `enum`",
            )
        row[column.name] = value
    return row


def _referenced(table: TableContract, others: Mapping[str, ProbeRow]) -> dict[str, object]:
    found: dict[str, object] = {}
    for relationship in table.relationships:
        target = others.get(relationship.target_table.rpartition(".")[2])
        if target is None:  # the table itself: rows of it are made one by one
            continue
        for column, other in zip(relationship.columns, relationship.target_columns, strict=True):
            found.setdefault(column, target[other])
    return found


def _candidates(
    table: TableContract, column: ColumnContract, kind: TypeEngine[Any], position: int, variant: int
) -> Iterator[object]:
    """Values to try, the best first; those of different variants differ where the type allows."""
    allowed = column.allowed_values
    if allowed:
        yield from (*allowed[(variant - 1) % len(allowed) :], *allowed)
    yield from _first_days(table, column, variant)
    if isinstance(kind, sqltypes.Uuid):
        yield uuid.uuid5(_NAMESPACE, f"{table.qualified_name}.{column.name}.{variant}")
    elif isinstance(kind, sqltypes.Boolean):
        yield variant % 2 == 1
    elif isinstance(kind, sqltypes.Integer | sqltypes.Numeric | sqltypes.Float):
        yield from _numbers(column, variant)
    elif isinstance(kind, sqltypes.DateTime):
        moment = datetime.combine(_DAY, time(), UTC if kind.timezone else None)
        yield moment + timedelta(days=variant - 1, hours=position)
    elif isinstance(kind, sqltypes.Date):
        yield _DAY + timedelta(days=100 * (variant - 1) + position)
    elif isinstance(kind, sqltypes.Time):
        yield time(hour=variant % 24)
    else:
        yield from _others(kind, variant)


def _numbers(column: ColumnContract, variant: int) -> Iterator[object]:
    if column.primary_key_position is not None or column.is_unique:
        yield from (2_000_000_000 + variant, 32_000 + variant)  # far from where sequences begin
    yield variant
    for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if name in column.options:
            limit = Decimal(str(column.options[name]))
            yield from (limit + variant, limit + variant - 1, limit - variant, limit + Decimal("0.01"))


def _first_days(table: TableContract, column: ColumnContract, variant: int) -> Iterator[object]:
    """A day inside the first partition, when the table has no partition for all others."""
    partitioning = table.partitioning
    if partitioning and partitioning.interval and column.name in partitioning.columns and not partitioning.has_default:
        yield date.fromisoformat(partitioning.start) + timedelta(days=variant - 1)


def _others(kind: TypeEngine[Any], variant: int) -> Iterator[object]:
    if isinstance(kind, sqltypes.JSON):
        yield from ({"probe": variant}, [variant])
    elif isinstance(kind, postgresql.ARRAY):
        yield []
    elif isinstance(kind, postgresql.INTERVAL):
        yield timedelta(days=variant)
    elif isinstance(kind, postgresql.INET):
        yield f"203.0.113.{variant}"
    elif isinstance(kind, sqltypes.LargeBinary):
        yield bytes([variant])
    else:
        for text in _TEXTS:
            yield text if variant == 1 else f"{text}{_LETTERS[variant]}"
        yield from _TEXTS[variant:]


_LETTERS = " abcdefghijklmnopqrstuvwxyz"
