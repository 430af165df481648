"""Partitioning that PostgreSQL accepts and that covers what it says.

By `range`, `list` or `hash` over columns that are part of the primary key and of every other unique key (else
uniqueness could not be checked within a partition). Either by range over one date or timestamp column with an
`interval` of `year` or `month`, where `start` and `end` are the first days of one, `start` before `end`; or into
`partitions`, each with a name of its own and bounds of the strategy's kind: `from` and `to` with a value per column,
`values`, or `modulus` and `remainder`; at most one is the `default`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from groundwork.contracts.derive.partitions import INTERVALS, STRATEGIES
from groundwork.contracts.lint.physical import type_text
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE", None)
_KINDS = {"range": ("from", "to"), "list": ("values",), "hash": ("modulus", "remainder")}


def check(domain: DomainPart) -> Iterator[Problem]:
    """Everything that is wrong with a table's partitioning."""
    for table in domain.tables:
        part = table.custom_part("partitioning")
        if part is not None:
            yield from _columns(table, part)
            if "partitions" in part.data:
                yield from _partitions(part)
            else:
                yield from _bounds(part)


def _columns(table: TablePart, part: Part) -> Iterator[Problem]:
    strategy, columns = part.text("strategy"), part.texts("columns")
    is_by_time = "partitions" not in part.data
    if strategy not in STRATEGIES:
        yield part.problem(
            "/strategy", f"the strategy `{strategy}` is not known", f"write one of {', '.join(STRATEGIES)}"
        )
    elif is_by_time and strategy != "range":
        yield part.problem("/strategy", f"{strategy} has no intervals", "add `partitions:` with the bounds of each")
    if not columns or (len(columns) != 1 and (is_by_time or strategy == "list")):
        how = "range partitioning by time" if is_by_time else f"partitioning by {strategy}"
        yield part.problem("/columns", f"{how} takes one column", "name exactly one column")
        return
    for name in columns:
        yield from _column(table, part, name, is_by_time=is_by_time)


def _column(table: TablePart, part: Part, name: str, *, is_by_time: bool) -> Iterator[Problem]:
    column = table.column(name)
    if column is None:
        declared = ", ".join(table.column_names)
        yield part.problem("/columns", f"`{table.name}` has no column `{name}`", f"name one of {declared}")
        return
    if is_by_time and type_text(column.type) not in _TYPES:
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


def _partitions(part: Part) -> Iterator[Problem]:
    strategy, width = part.text("strategy"), len(part.texts("columns"))
    entries = part.parts("partitions")
    if not entries:
        yield part.problem("/partitions", "there are no partitions", "add the bounds of each, with a `name`")
    if "interval" in part.data:
        yield part.problem("/interval", "there are `partitions` already", "keep one of `interval` and `partitions`")
    names: set[str] = set()
    defaults = 0
    for entry in entries:
        name = entry.text("name")
        if not name:
            yield entry.problem("", "the partition has no name", "add `name: <table>_<what it holds>`")
        elif name in names:
            yield entry.problem("/name", f"two partitions are called `{name}`", "give each its own name")
        names.add(name)
        defaults += entry.data.get("default") is True
        if strategy in _KINDS:
            yield from _entry(entry, strategy, width)
    if defaults > 1:
        yield part.problem("/partitions", "only one partition can be the default", "keep `default: true` at one")


def _entry(entry: Part, strategy: str, width: int) -> Iterator[Problem]:
    is_default = entry.data.get("default") is True
    given = [key for keys in _KINDS.values() for key in keys if key in entry.data]
    if is_default and (given or strategy == "hash"):
        yield entry.problem(
            "/default",
            "hash partitioning has no default" if strategy == "hash" else f"the default has no {given[0]}",
            "remove `default: true`" if strategy == "hash" else f"remove `{given[0]}`",
        )
    elif not is_default and given != list(_KINDS[strategy]):
        wanted = " and ".join(f"`{key}`" for key in _KINDS[strategy])
        yield entry.problem("", f"a partition by {strategy} has {wanted}", f"write {wanted}, and no other bounds")
    elif not is_default and not _fits(entry.data, strategy, width):
        wanted = {
            "range": f"write {width} value{'s' if width != 1 else ''} each, one per column",
            "list": "write a list of values",
            "hash": "write whole numbers, `remainder` below `modulus`",
        }[strategy]
        yield entry.problem(f"/{_KINDS[strategy][0]}", "these are no bounds of a partition", wanted)


def _fits(data: Any, strategy: str, width: int) -> bool:
    if strategy == "hash":
        modulus, remainder = data["modulus"], data["remainder"]
        return isinstance(modulus, int) and isinstance(remainder, int) and 0 <= remainder < modulus
    if strategy == "list":
        return isinstance(data["values"], list) and bool(data["values"])
    return all(isinstance(data[key], list) and len(data[key]) == width for key in ("from", "to"))


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
