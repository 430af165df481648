"""Engines are made in one place.

Refused is every call that makes an engine of SQLAlchemy or a library of its kind (`create_engine`,
`create_async_engine`, `engine_from_config`), or takes one from a hook of Airflow (`get_sqlalchemy_engine`).

Why: an engine holds a secret and a pool. Made in many places, secrets reach logs, the server runs out of connections,
and sessions carry no application name by which ORBT could tell them from others.

Instead: `groundwork.operators.connections.engine(connection_id)`, one pooled engine per process and connection.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.model.vocabulary import Severity
from groundwork.rules.libraries import makes_engine
from groundwork.rules.subject import Problem, PythonSubject

SEVERITY = Severity.ERROR
_ADVICE = "engine = groundwork.operators.connections.engine(connection_id)"


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Each call that makes an engine."""
    seen = set()
    for invocation in subject.invocations:
        path = invocation.origin
        if not isinstance(path, str) or invocation.node in seen:
            continue
        if makes_engine(path) or path.endswith(".get_sqlalchemy_engine"):
            seen.add(invocation.node)
            name = path[path.rfind(".") + 1 :]
            yield Problem(
                span=subject.span(invocation.node), message=f"`{name}()` makes an engine here", advice=_ADVICE
            )
