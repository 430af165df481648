"""SQL in a contract is one expression over the table's own columns.

Checks, index predicates and key expressions, generated columns and defaults are parsed by PostgreSQL's grammar: exactly
one expression, no second statement, no comment, no sub-query. They name declared columns; a default names none, and a
generated column neither itself nor another generated one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from groundwork.contracts.fragment import parse_expression
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart, index_keys
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every fragment that is not such an expression."""
    for table in domain.tables:
        yield from _columns(table)
        names = table.column_names
        for part in table.custom_parts("checks"):
            yield from _fragment(part, "/condition", part.data.get("condition"), names)
        for index in table.indexes:
            if "where" in index.data:
                yield from _fragment(index, "/where", index.data["where"], names)
            for key in index_keys(index):
                if key.expression is not None:
                    yield from _fragment(index, key.pointer, key.expression, names)


def _columns(table: TablePart) -> Iterator[Problem]:
    computed = {column.name for column in table.columns if column.custom("generated") is not None}
    plain = [name for name in table.column_names if name not in computed]
    for column in table.columns:
        if column.custom("default") is not None:
            yield from _fragment(column, column.custom_pointer("default"), column.custom("default"), ())
        if column.custom("generated") is not None:
            yield from _fragment(column, column.custom_pointer("generated"), column.custom("generated"), plain)


def _fragment(part: Part, pointer: str, written: object, names: Collection[str]) -> Iterator[Problem]:
    if not isinstance(written, str):
        yield part.problem(pointer, "an SQL expression is a text", "put it in quotes")
        return
    try:
        expression = parse_expression(written)
    except ConfigError as error:
        yield part.problem(pointer, f"{error.what}: {error.found}", error.next_step or "write one SQL expression")
        return
    unknown = [name for name in expression.columns if name not in names]
    if expression.has_subquery:
        yield part.problem(pointer, "a sub-query is not allowed here", "use columns of the row only")
    elif unknown and names:
        allowed = ", ".join(names)
        yield part.problem(pointer, f"`{unknown[0]}` is no column that can be used here", f"use one of {allowed}")
    elif unknown:
        fix = f"put a text in quotes: \"'{unknown[0]}'\", or call a function"
        yield part.problem(pointer, f"a default cannot read `{unknown[0]}`", fix)
