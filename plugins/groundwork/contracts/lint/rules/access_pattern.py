"""Access patterns that can be explained.

Each is named and is one SELECT with literal values that reads the table it stands at, names tables with their schema,
and reads only declared tables and columns. Whether an index serves it is measured on the database.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.fragment import Query, TableReference, parse_query
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """The first thing that is wrong with each access pattern."""
    for table in domain.tables:
        names = set()
        for pattern in table.custom_parts("accessPatterns"):
            name = pattern.text("name")
            if not name or name in names:
                message = f"the name `{name}` is taken" if name else "the access pattern has no name"
                yield pattern.problem("/name" if name else "", message, "add a `name` of its own")
            names.add(name)
            found = next(_problems(domain, table, pattern), None)
            if found:
                yield found


def _problems(domain: DomainPart, table: TablePart, pattern: Part) -> Iterator[Problem]:
    try:
        query = parse_query(pattern.text("query"))
    except ConfigError as error:
        yield pattern.problem("/query", f"{error.what}: {error.found}", "write one SELECT with literal values")
        return
    for reference in query.tables:
        yield from _reference(domain, pattern, reference)
    if not any(reference.name == table.name for reference in query.tables):
        yield pattern.problem(
            "/query",
            f"the query does not read `{table.name}`",
            f"read {table.schema}.{table.name}, or move the pattern",
        )
    yield from _columns(domain, pattern, query)


def _reference(domain: DomainPart, pattern: Part, reference: TableReference) -> Iterator[Problem]:
    found = domain.table(reference.name)
    if found is None or reference.schema not in (None, found.schema):
        written = f"{reference.schema}.{reference.name}" if reference.schema else reference.name
        tables = ", ".join(f"{table.schema}.{table.name}" for table in domain.tables)
        yield pattern.problem("/query", f"no table `{written}` is declared in this domain", f"read one of {tables}")
    elif reference.schema is None:
        yield pattern.problem("/query", f"`{reference.name}` has no schema", f"write `{found.schema}.{reference.name}`")


def _columns(domain: DomainPart, pattern: Part, query: Query) -> Iterator[Problem]:
    by_alias = {reference.alias: domain.table(reference.name) for reference in query.tables}
    everywhere = {name for table in by_alias.values() if table for name in table.column_names} | query.made_names
    for qualifier, name in query.columns:
        owner = by_alias.get(qualifier) if qualifier else None
        known = set(owner.column_names) if owner else everywhere
        is_made = qualifier in query.made_names
        if name not in known and not is_made and name not in by_alias:
            yield pattern.problem(
                "/query", f"no column `{name}` is declared", f"use one of {', '.join(sorted(known - query.made_names))}"
            )
