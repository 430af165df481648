"""Two spellings of one type never differ: the server normalises both."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
SYNONYMS = [  # as a contract may write it, as the table was made
    ("int", "integer"),
    ("INT4", "int"),
    ("int2", "smallint"),
    ("int8", "bigint"),
    ("bool", "boolean"),
    ("float4", "real"),
    ("float(10)", "real"),
    ("float", "double precision"),
    ("double", "float8"),
    ("DOUBLE PRECISION", "float(53)"),
    ("decimal(10,2)", "numeric(10,2)"),
    ("dec(10)", "numeric(10,0)"),
    ("number(8,3)", "numeric(8, 3)"),
    ("varchar(20)", "character varying(20)"),
    ("CHARACTER VARYING ( 20 )", "varchar(20)"),
    ("national character varying(7)", "varchar(7)"),
    ("varchar", "character varying"),
    ("char(3)", "character(3)"),
    ("char", "character(1)"),
    ("nchar(4)", "bpchar(4)"),
    ("string", "text"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("timestamp(3) with time zone", "timestamptz(3)"),
    ("time", "time without time zone"),
    ("timetz(2)", "time(2) with time zone"),
    ("interval", "interval"),
    ("interval(3)", "interval(3)"),
    ("interval year to month", "interval year to month"),
    ("varbit(5)", "bit varying(5)"),
    ("bit", "bit(1)"),
    ("integer[]", "int4 array"),
    ("int[][]", "integer[]"),
    ("integer array[4]", "integer[]"),
    ("varchar(5)[]", "character varying(5)[]"),
    ("pg_catalog.int4", "integer"),
    ("name", "name"),
    ('"char"', '"char"'),
    ("xml", "xml"),
    ("point", "point"),
    ("int8multirange", "int8multirange"),
]


def test_every_spelling_means_the_same(database: Database) -> None:
    columns = "".join(
        f"      - {{name: c{number}, physicalType: {written!r}}}\n" for number, (written, _) in enumerate(SYNONYMS)
    )
    text = f"id: s\nversion: 1.0.0\ndomain: odd\nschema:\n  - name: t\n    properties:\n{columns}"
    domain = Domain(name="odd", contracts=(read_contract(parse_document(text, Path("odd/s.odcs.yaml"))),))
    made = ", ".join(f"c{number} {spelled}" for number, (_, spelled) in enumerate(SYNONYMS))
    with database.engine.begin() as connection:
        run(connection, "CREATE SCHEMA odd")
        run(connection, f"CREATE TABLE odd.t ({made})")
        found = compare_domain(connection, domain)
    assert found.is_empty, found.to_text()


def test_types_that_are_not_the_same_differ(database: Database) -> None:
    table = "{name: t, properties: [{name: c, physicalType: 'numeric(8,2)'}]}"
    text = f"id: s\nversion: 1.0.0\ndomain: odd\nschema: [{table}]\n"
    domain = Domain(name="odd", contracts=(read_contract(parse_document(text, Path("odd/s.odcs.yaml"))),))
    with database.engine.begin() as connection:
        run(connection, "CREATE SCHEMA odd")
        run(connection, "CREATE TABLE odd.t (c numeric(8,3))")
        (change,) = compare_domain(connection, domain).changes
    assert (change.declared, change.observed) == ("numeric(8,2)", "numeric(8,3)")
