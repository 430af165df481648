"""SQL is written in repositories, nowhere else.

A text that reaches a database is refused: a constant, an f-string, parts put together by `+`, `%`, `format` or `join`,
a class attribute, a file. So is `text()` of SQLAlchemy, `exec_driver_sql`, `execute` of connections and cursors,
`read_sql` and `to_sql` of data frames, `get_records` and `run` of Airflow's hooks, the `sql` of its operators, and a
function of one's own that hands its parameter on to one of these.

Why: only what goes through a repository is validated against the contract, masked for its reader and audited. Text in
other places knows column names that nobody keeps in step with the contract.

Instead: `Repositories(engine, domain)[table]` with `get`, `list`, `pages`, `insert`, `bulk_insert`, `upsert`, `update`,
`delete`; joins and aggregates belong into a dbt model. A text that is only shown, logged, parsed or compared is fine.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from groundwork.model.vocabulary import Severity
from groundwork.rules.advice import GENERAL, advice, parameter_codes
from groundwork.rules.code.origin import FunctionOrigin, paths
from groundwork.rules.code.scope import Scope
from groundwork.rules.sent import Sent
from groundwork.rules.sql.statement import begins_like_sql, parse
from groundwork.rules.sql.template import GAP
from groundwork.rules.subject import Problem, PythonSubject, SqlSubject

SEVERITY = Severity.ERROR
_SHOWN = 60  # characters of a text in a message


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Each call that sends SQL once, operators that are made by a class, and functions that return SQL to Airflow."""
    by_call: dict[ast.Call, list[Sent]] = {}
    for sent in subject.sent:
        by_call.setdefault(sent.call, []).append(sent)
    around = {site.node.args[0]: site.node for site in subject.module.calls if site.node.args} if by_call else {}
    for call in _outermost(by_call):
        yield _problem(subject, _best(by_call[call]), around.get(call))
    for scope in subject.module.classes:
        yield from _operator_class(subject, scope)
    for node, scope in subject.module.inner.items():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _sql_task(subject, node, scope)


def check_sql(subject: SqlSubject) -> Iterator[Problem]:
    """A file with statements, told at the first one."""
    is_told = subject.is_template
    parsed = [(line, statement) for line, statement in subject.statements if statement.is_parsed or is_told]
    if parsed:
        line, statement = parsed[0]
        rest = f" and {len(parsed) - 1} more statements" if len(parsed) > 1 else ""
        yield Problem(
            span=subject.span(line),
            message=f"SQL outside of the repositories: {_shown(statement.sql)}{rest}",
            advice=advice(statement, subject.declared, {}),
        )


def _outermost(calls: Iterable[ast.Call]) -> Iterator[ast.Call]:
    """The calls that stand inside of no other one, which tells of them."""
    end = (0, 0)
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset, -_end(each)[0], -_end(each)[1])):
        if _end(call) > end:
            yield call
            end = _end(call)


def _end(call: ast.Call) -> tuple[int, int]:
    return (call.end_lineno or 0, call.end_col_offset or 0)


def _best(found: list[Sent]) -> Sent:
    """The text that says most: one that was parsed before one that was not."""
    return next((sent for sent in found if sent.statement.is_parsed), found[0])


def _problem(subject: PythonSubject, sent: Sent, around: ast.Call | None) -> Problem:
    through = f" through `{sent.through}`" if sent.through else ""
    line = getattr(sent.text.node, "lineno", None)
    is_elsewhere = sent.text.module is subject.module and not subject.within(sent) and line is not None
    return Problem(
        span=subject.span(sent.call),
        message=f"SQL outside of the repositories: {_what(sent)} goes to {sent.interface.how}{through}",
        advice=_advice(subject, sent, around),
        written_line=line if is_elsewhere else None,
    )


def _what(sent: Sent) -> str:
    if sent.text.file is not None:
        return f"the file {sent.text.file}"
    if sent.interface.takes_table:
        return f"the table {_shown(sent.text.known) or '…'}"
    return _shown(sent.text.known) or "a text"


def _shown(text: str) -> str:
    bare = " ".join(re.sub(rf"{GAP}\w+", "…", text).split())
    return f"`{bare if len(bare) <= _SHOWN else bare[: _SHOWN - 1] + '…'}`" if bare else ""


def _advice(subject: PythonSubject, sent: Sent, around: ast.Call | None) -> str:
    if sent.interface.takes_table:
        tables = subject.analysis.declared.tables(None, sent.text.known.strip().rpartition(".")[2])
        name = tables[0].name if tables else "table"
        return f'Repositories(engine, domain)["{name}"].bulk_insert(frame.to_dict("records"))'
    given = sent.invocation.argument(1, "parameters", "params", "vars", "args", "values")
    values: ast.expr | None = given if isinstance(given, ast.Dict | ast.Tuple | ast.List) else None
    positional = sent.invocation.positional
    if values is None and len(positional) > 1:
        values = ast.Tuple(elts=list(positional[1:]), ctx=ast.Load())
    if values is None and around is not None and len(around.args) > 1:
        values = around.args[1]  # the parameters beside `text(…)`
    return advice(sent.statement, subject.analysis.declared, parameter_codes(values))


def _operator_class(subject: PythonSubject, scope: Scope) -> Iterator[Problem]:
    """A class of an operator that brings its SQL along as an attribute."""
    module = subject.module
    outer = scope.parent or module.scope
    bases = [
        path
        for base in getattr(scope.node, "bases", ())
        for path in paths(subject.analysis.resolver.of(base, outer, module))
    ]
    if not any(base.startswith("airflow.") for base in bases):
        return
    for name in ("sql", "bql", "hql"):
        for binding in scope.names.get(name, ()):
            if binding.value is None:
                continue
            texts = subject.analysis.strings.of(binding.value, scope, module)
            known = [text for text in texts if begins_like_sql(text.known) and text.known.strip()]
            for text in known[:1]:
                statement = parse((text.known,))
                yield Problem(
                    span=subject.span(binding.value),
                    message=f"SQL outside of the repositories: {_shown(text.known)} is the `{name}` of an operator",
                    advice=advice(statement, subject.analysis.declared, {}),
                )


def _sql_task(subject: PythonSubject, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Iterator[Problem]:
    """A function whose decorator sends what it returns: `@task.sql`."""
    module = subject.module
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        found = subject.analysis.resolver.of(target, scope.parent or module.scope, module)
        if any(path.startswith("airflow.") and path.endswith("task.sql") for path in paths(found)):
            texts = list(subject.analysis.strings.results(FunctionOrigin(module, scope)))
            statement = parse((texts[0].known,)) if texts and texts[0].known.strip() else None
            yield Problem(
                span=subject.span(decorator),
                message="SQL outside of the repositories: what the function returns goes to `@task.sql`",
                advice=advice(statement, subject.analysis.declared, {}) if statement else GENERAL,
            )
