"""Tables within PostgreSQL's limits.

A table has at most 1,600 columns (fewer when rows are wide), a key, an index or a partitioning at most 32. A larger
one cannot be made; splitting a wide table by what is read together is faster long before the limit.

Source: PostgreSQL's manual, appendix "PostgreSQL Limits".
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Problem, TablePart, index_keys
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
MOST_COLUMNS = 1600
MOST_KEYS = 32


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every table, key, index and partitioning that PostgreSQL cannot make."""
    for table in domain.tables:
        count = len(table.columns)
        if count > MOST_COLUMNS:
            yield table.problem(
                "/name",
                f"`{table.name}` has {count:,} columns, PostgreSQL's tables have at most {MOST_COLUMNS:,}",
                "split it by what is read together, with the same primary key",
            )
        yield from _keys(table)


def _keys(table: TablePart) -> Iterator[Problem]:
    if len(table.primary_key) > MOST_KEYS:
        yield table.problem("/name", _message("the primary key", len(table.primary_key)), "make the key shorter")
    for index in table.indexes:
        count = len(list(index_keys(index))) + len(index.texts("include"))
        if count > MOST_KEYS:
            yield index.problem("/columns", _message(f"the index `{index.text('name')}`", count), "make it shorter")
    for key in table.custom_parts("uniqueKeys"):
        count = len(key.texts("columns")) + len(key.texts("include"))
        if count > MOST_KEYS:
            yield key.problem("/columns", _message(f"the unique key `{key.text('name')}`", count), "make it shorter")
    partitioning = table.custom_part("partitioning")
    if partitioning is not None and len(partitioning.texts("columns")) > MOST_KEYS:
        count = len(partitioning.texts("columns"))
        yield partitioning.problem("/columns", _message("the partitioning", count), "make it shorter")


def _message(what: str, count: int) -> str:
    return f"{what} has {count} columns, PostgreSQL takes at most {MOST_KEYS}"
