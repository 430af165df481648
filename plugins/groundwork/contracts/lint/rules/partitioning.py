"""Partitioning that PostgreSQL accepts and that covers whole intervals.

By range over one date or timestamp column, which is part of the primary key and of every other unique key (else
uniqueness could not be checked within a partition); `interval` is `year` or `month`; `start` and `end` are the first
days of one, `start` before `end`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from groundwork.contracts.derive.partitions import INTERVALS
from groundwork.contracts.lint.physical import type_text
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE", None)


def check(domain: DomainPart) -> Iterator[Problem]:
    """Everything that is wrong with a table's partitioning."""
    for table in domain.tables:
        part = table.custom_part("partitioning")
        if part is not None:
            yield from _columns(table, part)
            yield from _bounds(part)


def _columns(table: TablePart, part: Part) -> Iterator[Problem]:
    if part.text("strategy") != "range":
        found = part.text("strategy")
        yield part.problem("/strategy", f"the strategy `{found}` is not known", "write `strategy: range`")
    columns = part.texts("columns")
    if len(columns) != 1:
        yield part.problem("/columns", "range partitioning by time takes one column", "name exactly one column")
        return
    column = table.column(columns[0])
    if column is None:
        declared = ", ".join(table.column_names)
        yield part.problem("/columns", f"`{table.name}` has no column `{columns[0]}`", f"name one of {declared}")
        return
    if type_text(column.type) not in _TYPES:
        yield part.problem("/columns", f"`{column.name}` is {column.type}, not a time", "name a date column")
    for key in (table.primary_key, *table.unique_keys, *_unique_indexes(table)):
        if key and column.name not in key:
            yield part.problem(
                "/columns",
                f"`{column.name}` is not in the key ({', '.join(key)})",
                f"add `{column.name}` to that key, or partition by a column of it",
            )


def _unique_indexes(table: TablePart) -> tuple[tuple[str, ...], ...]:
    unique = [index for index in table.indexes if index.data.get("unique") is True]
    return tuple(tuple(key.partition(" ")[0] for key in index.texts("columns")) for index in unique)


def _bounds(part: Part) -> Iterator[Problem]:
    interval = part.text("interval")
    if interval not in INTERVALS:
        yield part.problem(
            "/interval", f"the interval `{interval}` is not known", f"write one of {', '.join(INTERVALS)}"
        )
        return
    days: dict[str, date] = {}
    for name in ("start", "end"):
        try:
            days[name] = date.fromisoformat(str(part.data.get(name, "")))
        except ValueError:
            yield part.problem(f"/{name}", f"`{part.data.get(name)}` is not a day", 'write a day, e.g. "2012-01-01"')
    for name, day in days.items():
        floor = day.replace(month=1, day=1) if interval == "year" else day.replace(day=1)
        if day != floor:
            yield part.problem(f"/{name}", f"{day} is not the first day of a {interval}", f'write "{floor}"')
    if len(days) == 2 and days["start"] >= days["end"]:
        yield part.problem("/end", "the end is not after the start", "write a later `end`")
