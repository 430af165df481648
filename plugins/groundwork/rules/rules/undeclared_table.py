"""Every table that code names is declared by a contract.

Refused is a table in a schema that contracts own, but that no contract declares; one without schema whose name is
nearly that of a declared table; and a repository of a table that there is none of. Tables of other schemas, of
PostgreSQL's catalog and those that the same statement makes are nobody's business here.

Why: what no contract declares has no owner, no classification and no checks, and may be gone tomorrow.

Instead: correct the name, or declare the table (`groundwork infer` proposes a contract from a live one).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from groundwork.model.vocabulary import Severity
from groundwork.rules.code.origin import paths
from groundwork.rules.code.scope import Scope
from groundwork.rules.declared import Declared
from groundwork.rules.sql.names import mistakes
from groundwork.rules.subject import Problem, PythonSubject, SqlSubject
from groundwork.rules.tables import repository_at, table_at

SEVERITY = Severity.ERROR


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Tables in the SQL that is sent, tables of SQLAlchemy, and repositories."""
    declared = subject.analysis.declared
    if not declared.domains:
        return
    seen: set[tuple[int, str]] = set()
    for sent in subject.sent:
        for mistake in mistakes(sent.statement, declared):
            line = subject.text_line(sent.text, mistake.offset, sent.statement)
            place = (line or sent.call.lineno, mistake.table)
            if mistake.column is None and place not in seen:
                seen.add(place)
                yield _problem(subject, declared, mistake.table, sent.call, line)
    yield from _objects(subject, declared)


def check_sql(subject: SqlSubject) -> Iterator[Problem]:
    """Tables in the statements of a file."""
    for start, statement in subject.statements:
        for mistake in mistakes(statement, subject.declared):
            if mistake.column is None:
                line = start + statement.sql.encode()[: mistake.offset].count(b"\n")
                message, advice = _words(subject.declared, mistake.table)
                yield Problem(span=subject.span(line), message=message, advice=advice)


def _objects(subject: PythonSubject, declared: Declared) -> Iterator[Problem]:
    module = subject.module
    places: list[tuple[ast.expr, Scope]] = [(site.node, site.place.scope) for site in module.calls]
    places += [(site.node, site.place.scope) for site in module.members if isinstance(site.node, ast.Subscript)]
    for node, scope in places:
        for path in paths(subject.analysis.resolver.of(node, scope, module)):
            found = table_at(path) or repository_at(path)
            if found is None or found[2] or declared.is_declared(found[0] or None, found[1]):
                continue
            is_repository = repository_at(path) is not None
            if is_repository or declared.is_undeclared(found[0] or None, found[1]):
                name = f"{found[0]}.{found[1]}" if found[0] else found[1]
                yield _problem(subject, declared, name, node, None)


def _problem(subject: PythonSubject, declared: Declared, name: str, node: ast.AST, line: int | None) -> Problem:
    message, advice = _words(declared, name)
    span = subject.span(node)
    return Problem(span=span, message=message, advice=advice, written_line=line if line != span.line else None)


def _words(declared: Declared, name: str) -> tuple[str, str]:
    near = declared.nearest_table(name.rpartition(".")[2])
    schema = name.rpartition(".")[0] or "<schema>"
    ways = f"declare the table, for instance from the live one: groundwork infer {schema}"
    return f"no contract declares the table `{name}`", f"write `{near}`, or {ways}" if near else ways
