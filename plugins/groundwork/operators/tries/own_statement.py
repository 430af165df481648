"""The SQL that a task declares: what a driver's error or a timeout does not tell, the operator itself does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundwork.operators.tries.targets import connections_of
from groundwork.orbt.tries.target_name import CONNECTION

if TYPE_CHECKING:
    from groundwork.orbt.classify import OwnStatement

_MAIN = ("conn_id", "connection_id")  # where it stands, the operator's SQL goes there


def own_statement(task: Any, target: str | None, default: str) -> OwnStatement | None:
    """The one statement of an operator with an attribute `sql` (a string, or a list of one), after templates.

    Null when it has none or several, when templates of it were not rendered, and when `target`, the breaker's name of
    what failed, is not where the operator sends its SQL: then it was not this statement that failed.
    """
    from groundwork.orbt.classify import OwnStatement

    sql = getattr(task, "sql", None)
    if isinstance(sql, list | tuple) and len(sql) == 1:
        sql = sql[0]
    if not isinstance(sql, str) or not sql.strip() or "{{" in sql or "{%" in sql:
        return None
    main = next((name for name in (getattr(task, each, None) for each in _MAIN) if isinstance(name, str)), None)
    used = (main,) if main is not None else connections_of(task, default)
    if len(used) != 1 or target not in (None, f"{CONNECTION}{used[0]}"):
        return None
    return OwnStatement(statement=sql, parameters=getattr(task, "parameters", None) or None)  # as the hooks send it
