"""Every column has a type that Groundwork can make.

`physicalType` is a PostgreSQL type (its synonyms are understood): bigint, boolean, bytea, date, double precision,
inet, integer, interval, json, jsonb, numeric(p,s), real, smallint, text, time, timestamp, timestamptz, tsvector, uuid,
char(n), varchar(n), bit(n), cidr, macaddr, money, ranges, xml and the like, each also as an array; or an enum type that
a contract of the domain declares under `enumTypes`. A column without one gets the type that follows from its
`logicalType`.
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
    enum_types = {part.text("name") for contract in domain.contracts for part in contract.custom_parts("enumTypes")}
    for table in domain.tables:
        for column in table.columns:
            if not column.type:
                if not column.text("logicalType"):
                    yield column.problem(
                        "/name", f"the column `{column.name}` has no physicalType", "add `physicalType:`, e.g. `text`"
                    )
            elif _element(column.type, table.schema) not in enum_types and built_type(column.type) is None:
                yield column.problem("/physicalType", f"the type `{column.type}` is not known", _fix(column.type))


def _element(written: str, schema: str) -> str:
    """The name of an enum type as it is declared, without array brackets and its own schema."""
    return written.replace("[]", "").strip().removeprefix(f"{schema}.")


def _fix(written: str) -> str:
    word = written.lower().partition("(")[0].strip()
    close = [_OF_OTHERS[word]] if word in _OF_OTHERS else difflib.get_close_matches(word, _KNOWN, n=1)
    return f"write `{close[0]}`" if close else f"write one of {', '.join(_KNOWN)}"
