"""The rules by name: one module each, whose docstring is the rule's manual page.

A module has `SEVERITY`, `check(subject)` for Python files and, where it has a say there, `check_sql(subject)` for SQL
files; each yields every problem of one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

from groundwork.model.vocabulary import Severity
from groundwork.rules.rules import (
    allow_comment,
    direct_driver,
    own_engine,
    own_session,
    raw_sql,
    undeclared_column,
    undeclared_table,
    unreadable_file,
)
from groundwork.rules.subject import Problem, PythonSubject, SqlSubject

_MODULES: tuple[ModuleType, ...] = (
    raw_sql,
    direct_driver,
    own_engine,
    own_session,
    undeclared_table,
    undeclared_column,
    allow_comment,
    unreadable_file,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: how much its findings matter, how it looks at files, and its manual page.

    The checks are null for the two rules about files themselves, which `check` applies.
    """

    name: str
    severity: Severity
    manual: str
    check: Callable[[PythonSubject], Iterator[Problem]] | None
    check_sql: Callable[[SqlSubject], Iterator[Problem]] | None

    @property
    def summary(self) -> str:
        """The first line of its manual page."""
        return self.manual.partition("\n")[0].rstrip(".")


RULES: dict[str, Rule] = {
    (name := module.__name__.rpartition(".")[2]): Rule(
        name=name,
        severity=module.SEVERITY,
        manual=(module.__doc__ or "").strip(),
        check=getattr(module, "check", None),
        check_sql=getattr(module, "check_sql", None),
    )
    for module in _MODULES
}
