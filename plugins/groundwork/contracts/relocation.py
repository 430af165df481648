"""Expressions of a contract with the domain's own types and sequences taken from a given schema.

A default such as `'G'::film_rating` means the contract's enum type, whatever the search path of who runs the statement
is; and in the scratch schema where declared tables are made, it means the type made there. The text is changed only
where such a name stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundwork.contracts.fragment import parse_expression

Objects = Mapping[tuple[str | None, str], str]  # (schema as written or null, name) → the schema to take it from
_SEQUENCE_FUNCTIONS = ("nextval", "currval", "setval")
_PREFIX = "SELECT "


def relocated_expression(sql: str, objects: Objects) -> str:
    r"""`sql` with every type and sequence in `objects` named with the schema it maps to.

    Raises: ConfigError when `sql` is not exactly one expression.

    >>> relocated_expression("'G'::rating", {(None, "rating"): "films"})
    '\'G\'::"films".rating'
    """
    parse_expression(sql)
    if not any(name in sql for _, name in objects):
        return sql
    statement = f"{_PREFIX}{sql}"
    edits = [*_type_edits(statement, objects), *_sequence_edits(statement, objects)]
    for start, end, replacement in sorted(edits, reverse=True):
        statement = statement[:start] + replacement + statement[end:]
    return statement.removeprefix(_PREFIX)


def _type_edits(statement: str, objects: Objects) -> list[tuple[int, int, str]]:
    from pglast import parse_sql
    from pglast.parser import scan
    from pglast.visitors import Visitor

    found: list[tuple[int, list[str]]] = []

    class Types(Visitor):
        def visit_TypeName(self, _: Any, node: Any) -> None:  # noqa: N802  # the name that pglast looks for
            found.append((node.location, [part.sval for part in node.names]))

    Types()(parse_sql(statement))
    ends = {token.start: token.end + 1 for token in scan(statement)}
    edits = []
    for location, names in found:
        schema = objects.get((names[-2] if len(names) > 1 else None, names[-1]))
        if schema is not None:
            is_qualified = len(names) > 1
            end = ends[location] if is_qualified else location
            edits.append((location, end, _quoted(schema) + ("" if is_qualified else ".")))
    return edits


def _sequence_edits(statement: str, objects: Objects) -> list[tuple[int, int, str]]:
    """Names of sequences stand in text constants: `nextval('shop.numbers')`, `'shop.numbers'::regclass`."""
    from pglast.parser import scan

    tokens = [(token.start, token.end + 1, token.name) for token in scan(statement)]
    words = [statement[start:end] for start, end, _ in tokens]
    edits = []
    for index, (start, end, kind) in enumerate(tokens):
        is_argument = words[index - 1] == "(" and words[index - 2].lower() in _SEQUENCE_FUNCTIONS
        is_class = [word.lower() for word in words[index + 1 : index + 3]] == ["::", "regclass"]
        if kind != "SCONST" or not words[index].startswith("'") or not (is_argument or is_class):
            continue
        place = _qualified_name(words[index][1:-1].replace("''", "'"))
        schema = None if place is None else objects.get(place)
        if place is not None and schema is not None:
            name = f"{_quoted(schema)}.{_quoted(place[1])}".replace("'", "''")
            edits.append((start, end, f"'{name}'"))
    return edits


def _qualified_name(text: str) -> tuple[str | None, str] | None:
    """Schema and name that a sequence's text names, null when it is no such name."""
    from pglast import parse_sql
    from pglast.parser import ParseError

    try:
        (statement,) = parse_sql(f"TABLE {text}")
        select: Any = statement.stmt
        (table,) = select.fromClause
    except (ParseError, ValueError, TypeError, AttributeError):
        return None
    return table.schemaname, table.relname


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
