"""Quality rules that can be measured.

`rowCount` belongs to a table, the other metrics to a column (`duplicateValues` also to a table, with the columns in
`arguments.properties`). Columns exist; an SQL rule is one SELECT, with `${table}` and `${column}` for names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundwork.contracts.fragment import parse_query
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_OF_TABLES = ("rowCount", "duplicateValues")
_OF_COLUMNS = ("nullValues", "missingValues", "invalidValues", "duplicateValues")
_PLACEHOLDERS = ("${schema}", "${table}", "${column}", "${object}", "${property}")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every quality rule that no engine could measure."""
    for table in domain.tables:
        for rule in table.parts("quality"):
            yield from _rule(table, rule, _OF_TABLES, "table")
            yield from _properties(table, rule)
        for column in table.columns:
            for rule in column.parts("quality"):
                yield from _rule(table, rule, _OF_COLUMNS, "column")


def _rule(table: TablePart, rule: Part, metrics: tuple[str, ...], kind: str) -> Iterator[Problem]:
    if rule.text("type") == "sql":
        yield from _query(rule)
        return
    metric = rule.text("metric") or rule.text("rule")
    known = {*_OF_TABLES, *_OF_COLUMNS}
    if metric in known and metric not in metrics:
        other = "the table" if kind == "column" else "a column"
        yield rule.problem(
            "/metric",
            f"the metric `{metric}` does not measure a {kind}",
            f"move it to {other}, or use {', '.join(metrics)}",
        )


def _properties(table: TablePart, rule: Part) -> Iterator[Problem]:
    if rule.text("metric") != "duplicateValues":
        return
    arguments = rule.data.get("arguments")
    names = arguments.get("properties") if isinstance(arguments, Mapping) else None
    if not names or not isinstance(names, list):
        yield rule.problem(
            "/metric", "the rule does not say which columns", "add `arguments: {properties: [<column>, …]}`"
        )
        return
    unknown = [str(name) for name in names if table.column(str(name)) is None]
    if unknown:
        declared = ", ".join(table.column_names)
        yield rule.problem("/arguments", f"`{table.name}` has no column `{unknown[0]}`", f"name one of {declared}")


def _query(rule: Part) -> Iterator[Problem]:
    query = rule.text("query")
    for placeholder in _PLACEHOLDERS:
        query = query.replace(placeholder, "placeholder")
    try:
        parse_query(query)
    except ConfigError as error:
        yield rule.problem("/query", f"{error.what}: {error.found}", "write one SELECT that reads a number")
