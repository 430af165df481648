"""The two types of a column agree.

`logicalType` is what the standard calls the kind of value, `physicalType` how PostgreSQL stores it: a `date` stored as
text sorts and compares wrongly. A column needs both.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.physical import type_text
from groundwork.contracts.lint.subject import ColumnPart, DomainPart, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_STORED_AS = {
    "array": ("JSON", "JSONB"),
    "boolean": ("BOOLEAN",),
    "date": ("DATE",),
    "integer": ("SMALLINT", "INTEGER", "BIGINT"),
    "map": ("JSON", "JSONB"),
    "number": ("NUMERIC", "REAL", "DOUBLE PRECISION"),
    "object": ("JSON", "JSONB"),
    "string": ("TEXT", "VARCHAR", "CHAR", "UUID", "INET", "TSVECTOR", "BYTEA", "INTERVAL"),
    "time": ("TIME", "TIME WITHOUT TIME ZONE"),
    "timestamp": ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE"),
}


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every column whose types contradict each other, or that has no logical one."""
    for table in domain.tables:
        for column in table.columns:
            yield from _column(column)


def _column(column: ColumnPart) -> Iterator[Problem]:
    stored = type_text(column.type)
    logical = column.text("logicalType")
    if stored is None or (logical and logical not in _STORED_AS):
        return
    fitting = "array" if stored.endswith("[]") else _fitting(stored)
    if fitting is None:
        return  # a type with no counterpart in the standard: money, ranges, xml
    if not logical:
        yield column.problem(
            "/name",
            f"the column `{column.name}` has no logicalType",
            f"add `logicalType: {fitting}`",
            edit=column.setting("/logicalType", fitting),
        )
    elif stored not in _STORED_AS[logical] and not (logical == "array" and stored.endswith("[]")):
        yield column.problem(
            "/logicalType",
            f"`{column.name}` is declared as {logical} and stored as {column.type}",
            f"write `logicalType: {fitting}`, or store it as {_STORED_AS[logical][0].lower()}",
        )


def _fitting(stored: str) -> str | None:
    return next((logical for logical in ("object", *_STORED_AS) if stored in _STORED_AS[logical]), None)
