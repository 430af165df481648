"""Every column has a type that Groundwork can make.

`physicalType` is a PostgreSQL type (its synonyms are understood): bigint, boolean, bytea, date, double precision,
inet, integer, interval, json, jsonb, numeric(p,s), real, smallint, text, time, timestamp, timestamptz, tsvector, uuid,
char(n), varchar(n), each also as an array.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from groundwork.contracts.lint.physical import built_type
from groundwork.contracts.lint.subject import DomainPart, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_KNOWN = [
    "bigint",
    "boolean",
    "bytea",
    "char",
    "date",
    "inet",
    "integer",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "real",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "tsvector",
    "uuid",
    "varchar",
]
_OF_OTHERS = {"datetime": "timestamptz", "number": "numeric", "blob": "bytea", "object": "jsonb", "array": "text[]"}


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every column without a type, or with one nobody knows."""
    for table in domain.tables:
        for column in table.columns:
            if not column.type:
                yield column.problem(
                    "/name", f"the column `{column.name}` has no physicalType", "add `physicalType:`, e.g. `text`"
                )
            elif built_type(column.type) is None:
                yield column.problem("/physicalType", f"the type `{column.type}` is not known", _fix(column.type))


def _fix(written: str) -> str:
    word = written.lower().partition("(")[0].strip()
    close = [_OF_OTHERS[word]] if word in _OF_OTHERS else difflib.get_close_matches(word, _KNOWN, n=1)
    return f"write `{close[0]}`" if close else f"write one of {', '.join(_KNOWN)}"
