"""Every column that code names is declared by the contract of its table.

Looked at are the columns in SQL that reaches a database (by PostgreSQL's rules of scope, with aliases, sub-queries and
common table expressions), `table.c.name` of SQLAlchemy, `Table(...)` and mapped classes of declared tables, and what
repositories are given: filters, order, rows to write, and the rows they gave back.

Why: a misspelt or removed column fails when the code runs, often at night. Here it fails when it is written.

Instead: the nearest declared name is told; a new column is added to the contract first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from groundwork.contracts.contract import TableContract
from groundwork.model.vocabulary import Severity
from groundwork.rules.columns_in_code import Named, named_columns
from groundwork.rules.declared import has_column, nearest_column
from groundwork.rules.sql.names import mistakes
from groundwork.rules.subject import Problem, PythonSubject, SqlSubject

SEVERITY = Severity.ERROR


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Columns in the SQL that is sent, and columns that Python names."""
    declared = subject.analysis.declared
    if not declared.domains:
        return
    seen: set[tuple[int, str]] = set()
    for sent in subject.sent:
        for mistake in mistakes(sent.statement, declared):
            if mistake.column is None:
                continue
            line = subject.text_line(sent.text, mistake.offset, sent.statement)
            place = (line or sent.call.lineno, mistake.column)
            if place not in seen:
                seen.add(place)
                yield _problem(subject, mistake.column, mistake.table, mistake.tables, sent.call, line)
    for named in named_columns(subject):
        yield from _named(subject, named)


def check_sql(subject: SqlSubject) -> Iterator[Problem]:
    """Columns in the statements of a file."""
    for start, statement in subject.statements:
        for mistake in mistakes(statement, subject.declared):
            if mistake.column is not None:
                line = start + statement.sql.encode()[: mistake.offset].count(b"\n")
                message, advice = _words(mistake.column, mistake.table, mistake.tables)
                yield Problem(span=subject.span(line), message=message, advice=advice)


def _named(subject: PythonSubject, named: Named) -> Iterator[Problem]:
    tables = subject.analysis.declared.tables(named.schema or None, named.table)
    if tables and not has_column(tables, named.column):
        shown = ", ".join(table.qualified_name for table in tables)
        yield _problem(subject, named.column, shown, tables, named.node, None)


def _problem(
    subject: PythonSubject, column: str, table: str, tables: Sequence[TableContract], node: ast.AST, line: int | None
) -> Problem:
    message, advice = _words(column, table, tables)
    span = subject.span(node)
    return Problem(span=span, message=message, advice=advice, written_line=line if line != span.line else None)


def _words(column: str, table: str, tables: Sequence[TableContract]) -> tuple[str, str]:
    near = nearest_column(tables, column)
    declared = ", ".join(each.name for each in tables[0].columns)
    message = f"no contract declares the column `{column}` of {table}"
    return message, f"write `{near}`" if near else f"name one of {declared}, or declare `{column}` first"
