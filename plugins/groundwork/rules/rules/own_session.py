"""Sessions and connections are opened by repositories.

Refused are sessions and their factories (`Session`, `sessionmaker`, `scoped_session`, `async_sessionmaker` of
SQLAlchemy and its kin, `create_session` of Airflow), `connect`, `begin` and `raw_connection` of an engine, and
`get_conn` of a hook.

Why: a repository opens its transaction with the role, the time limit and the time zone that the contract's reader gets.
A session beside it reads what the role may not see, and its writes are neither validated nor checked for having been
overtaken.

Instead: one call of `Repositories(engine, domain)[table]` is one transaction; several belong together in
`with Repositories(engine, domain).transaction() as t:`. An engine may be handed on.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from groundwork.model.vocabulary import Severity
from groundwork.rules.code.origin import ClassOrigin, Origin, paths
from groundwork.rules.code.scope import Scope
from groundwork.rules.libraries import DATABASE_HOOK, is_engine, makes_session
from groundwork.rules.subject import Problem, PythonSubject

SEVERITY = Severity.ERROR
_ADVICE = 'with Repositories(engine, domain).transaction() as t: t["table"].insert([…])  # or one call without it'
_OPENS = ("connect", "begin", "raw_connection", "execution_options")
_UNKNOWN_ENGINE = re.compile(r"\?(?:.*\.)?\w*engine(?:\(\))?", re.IGNORECASE)
_USES = frozenset(
    ["execute", "scalar", "scalars", "exec_driver_sql", "commit", "rollback", "cursor", "begin", "stream"]
)


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Each call that opens a session or a connection, and each that makes a factory of them."""
    used, knows_alchemy = _used(subject), "sqlalchemy" in subject.module.roots
    seen = set()
    for invocation in subject.invocations:
        if invocation.node in seen:
            continue
        messages = (_message(path, used, knows_alchemy=knows_alchemy) for path in _paths(subject, invocation.origin))
        message = next((each for each in messages if each is not None), None)
        if message is not None:
            seen.add(invocation.node)
            yield Problem(span=subject.span(invocation.node), message=message, advice=_ADVICE)
    for node, scope in subject.module.inner.items():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _decorators(subject, node, scope)


def _decorators(
    subject: PythonSubject, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope
) -> Iterator[Problem]:
    """Decorators that give a session to a function: `@provide_session`."""
    around = scope.parent or scope
    for decorator in node.decorator_list:
        found = subject.analysis.resolver.of(decorator, around, subject.module)
        if isinstance(decorator, ast.Name | ast.Attribute) and any(makes_session(path) for path in paths(found)):
            message = f"`@{ast.unparse(decorator)}` opens a session outside of the repositories"
            yield Problem(span=subject.span(decorator), message=message, advice=_ADVICE)


def _paths(subject: PythonSubject, origin: Origin) -> Iterator[str]:
    """The path of a library, or those of the libraries' classes that a class of the project is made from."""
    if isinstance(origin, str):
        yield origin
    elif isinstance(origin, ClassOrigin):
        for base in subject.analysis.resolver.bases(origin):
            if base != origin:
                yield from _paths(subject, base)


def _used(subject: PythonSubject) -> frozenset[str]:
    """What has methods called that only connections have."""
    paths = [each.origin for each in subject.invocations if isinstance(each.origin, str)]
    return frozenset(path[: path.rfind(".")] for path in paths if path[path.rfind(".") + 1 :] in _USES)


def _message(path: str, used: frozenset[str], *, knows_alchemy: bool) -> str | None:
    base, _, name = path.rpartition(".")
    if makes_session(path):
        made = re.sub(r"\(\)$", "", path)
        return f"`{made[made.rfind('.') + 1 :]}()` opens a session outside of the repositories"
    if name in ("get_conn", "get_cursor", "get_session") and DATABASE_HOOK.fullmatch(base):
        return f"`{name}()` of a hook opens a connection outside of the repositories"
    if name not in _OPENS[:3]:
        return None
    base = re.sub(r"\.execution_options\(\)$", "", base)
    is_unknown_engine = _UNKNOWN_ENGINE.fullmatch(base) is not None and (knows_alchemy or f"{path}()" in used)
    if is_engine(base) or is_unknown_engine:
        return f"`{name}()` of an engine opens a connection outside of the repositories"
    return None
