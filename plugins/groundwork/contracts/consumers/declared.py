"""Uses that the contracts declare themselves: keys, indexes, checks, computed tables, access patterns, rules, roles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.consumers.consumer import Consumer, Side, Use, shown
from groundwork.contracts.consumers.sql_reading import Table, read_sql
from groundwork.contracts.contract import Contract, Domain, TableContract
from groundwork.contracts.fragment import parse_expression
from groundwork.model.errors import ConfigError


def declared_uses(domain: Domain, project: Path) -> Iterator[Use]:
    """Every use of a table of `domain` that its contracts declare."""
    known = {(table.schema, table.name): [column.name for column in table.columns] for table in domain.tables}
    for contract in domain.contracts:
        for table in contract.tables:
            place = _Place(contract, table, project)
            yield from _foreign_keys(place)
            yield from _constraints(place)
            yield from _indexes(place)
            yield from _queries(place, known)
            yield from _loading(place)
    yield from _roles(domain, project)


class _Place:
    """Where in a contract something stands, and who answers for it."""

    def __init__(self, contract: Contract, table: TableContract, project: Path) -> None:
        self.contract, self.table, self.project = contract, table, project

    def consumer(self, kind: str, name: str, pointer: str, how: str, side: Side = Side.READS) -> Consumer:
        line = self.contract.document.position(pointer).line
        where = shown(self.contract.path, self.project, line)
        return Consumer(kind=kind, name=name, where=where, how=how, owner=self.contract.owner, side=side)

    def uses(self, consumer: Consumer, columns: Iterable[str]) -> Iterator[Use]:
        """Uses of columns of the table itself."""
        known = {column.name for column in self.table.columns}
        for column in dict.fromkeys(columns):
            if column in known:
                yield Use(consumer=consumer, table=self.table.name, column=column)


def _foreign_keys(place: _Place) -> Iterator[Use]:
    for key in place.table.relationships:
        target = key.target_table.rpartition(".")[2]
        name = f"{place.table.name}({', '.join(key.columns)})"
        consumer = place.consumer("foreign key", name, key.pointer, f"points at {target}", Side.BOTH)
        for column in key.target_columns:
            yield Use(consumer=consumer, table=target, column=column)
        yield from place.uses(consumer, key.columns)


def _constraints(place: _Place) -> Iterator[Use]:
    table = place.table
    for key in table.unique_keys:
        consumer = place.consumer("unique key", key.name, key.pointer, f"is a key of {table.name}")
        yield from place.uses(consumer, key.columns)
    for check in table.checks:
        consumer = place.consumer("check", check.name, check.pointer, f"reads columns of {table.name}")
        yield from place.uses(consumer, _columns(check.condition))
    for column in table.columns:
        if column.generated:
            name = f"{table.name}.{column.name}"
            consumer = place.consumer("generated column", name, column.pointer, "is computed from its row")
            yield from place.uses(consumer, _columns(column.generated))
    if table.retention_column:
        consumer = place.consumer("retention", table.name, table.pointer, "counts the age of a row from it")
        yield from place.uses(consumer, [table.retention_column])
    if table.partitioning:
        consumer = place.consumer("partitioning", table.name, table.partitioning.pointer, "places rows by it")
        yield from place.uses(consumer, table.partitioning.columns)


def _indexes(place: _Place) -> Iterator[Use]:
    for index in place.table.indexes:
        names = [key.column for key in index.keys if key.column]
        names += [name for key in index.keys for name in _columns(key.expression)]
        consumer = place.consumer("index", index.name, index.pointer, f"is an index of {place.table.name}")
        yield from place.uses(consumer, [*names, *index.include, *_columns(index.where)])


def _queries(place: _Place, known: Mapping[Table, list[str]]) -> Iterator[Use]:
    for pattern in place.table.access_patterns:
        consumer = place.consumer("access pattern", pattern.name, pattern.pointer, "reads it, and has to be fast")
        yield from sql_uses(pattern.query, consumer, known)
    yield from _rules(place, None, place.table.quality, place.table.pointer, known)
    for column in place.table.columns:
        yield from _rules(place, column.name, column.quality, column.pointer, known)


def _rules(
    place: _Place,
    column: str | None,
    rules: Iterable[Mapping[str, Any]],
    pointer: str,
    known: Mapping[Table, list[str]],
) -> Iterator[Use]:
    for number, rule in enumerate(rules):
        name = str(rule.get("name") or rule.get("id") or rule.get("metric") or f"rule {number + 1}")
        label = f"{place.table.name}.{column}: {name}" if column else f"{place.table.name}: {name}"
        consumer = place.consumer("quality rule", label, f"{pointer}/quality/{number}", "judges its values")
        arguments = rule.get("arguments")
        listed = arguments.get("properties", []) if isinstance(arguments, dict) else []
        yield from place.uses(consumer, [*([column] if column else []), *map(str, listed)])
        yield Use(consumer=consumer, table=place.table.name)
        if rule.get("query"):
            query = str(rule["query"]).replace("${column}", f'"{column}"')
            query = query.replace("${schema}", f'"{place.table.schema}"').replace("${table}", f'"{place.table.name}"')
            yield from sql_uses(query, consumer, known)


def _loading(place: _Place) -> Iterator[Use]:
    source, table = place.table.source, place.table
    if not source:
        return
    origin = str(source.get("callable") or source.get("path") or source.get("url") or source.get("kind"))
    pointer = f"{table.pointer}/customProperties"
    load = place.consumer("load", table.name, pointer, f"fills it from {origin}", Side.WRITES)
    yield Use(consumer=load, table=table.name, is_whole=True)
    for name in source.get("inputs") or ():
        how = f"its rows are computed by {origin} from rows of {name}"
        consumer = place.consumer("computed table", table.name, pointer, how)
        yield Use(consumer=consumer, table=str(name).rpartition(".")[2], is_whole=True)


def _roles(domain: Domain, project: Path) -> Iterator[Use]:
    for contract in domain.contracts:
        for role in contract.roles:
            side = Side.BOTH if "write" in role.access else Side.READS
            for table in contract.tables:
                place = _Place(contract, table, project)
                how = f"may {role.access} it, clearance {role.clearance}"
                consumer = place.consumer("role", role.name, role.pointer, how, side)
                yield Use(consumer=consumer, table=table.name, is_whole=True)


def sql_uses(sql: str, consumer: Consumer, known: Mapping[Table, list[str]]) -> Iterator[Use]:
    """The uses that a query makes of the tables in `known`; none when it does not parse."""
    reading = read_sql(sql, known)
    if reading is None:
        return
    names = {name for _, name in known}
    for schema, name in reading.tables:
        if (schema, name) in known or (not schema and name in names):
            yield Use(consumer=consumer, table=name, is_whole=(schema, name) in reading.whole)
    for schema, name, column in reading.columns:
        if (schema, name) in known:
            yield Use(consumer=consumer, table=name, column=column)


def _columns(expression: str | None) -> tuple[str, ...]:
    try:
        return parse_expression(expression).columns if expression else ()
    except ConfigError:
        return ()  # validate-schema tells; here it uses nothing that can be named
