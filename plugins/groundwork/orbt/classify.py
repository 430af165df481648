"""From an exception to a fault: which error pattern it belongs to.

Looks at the whole chain of causes, because drivers and SQLAlchemy wrap. Signals from strongest to weakest: SQLSTATE,
exact before class; exception class, nearest in the hierarchy first; HTTP status; text of the message. The strongest
signal found anywhere in the chain decides. Classes are compared by name, so that no driver has to be imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from groundwork.model.fault import UNKNOWN, Fault
from groundwork.orbt.patterns import Pattern, Patterns
from groundwork.orbt.redaction import redact

_CHAIN_LIMIT = 20  # exceptions looked at; a longer chain is a loop or a bug
_SQLSTATE = re.compile(r"^[0-9A-Z]{5}$")


def classify(error: BaseException, patterns: Patterns) -> Fault:
    """The fault that `error` is; its class is `unknown` when no pattern matches. The message is redacted."""
    chain = list(_chain(error))
    signal = _strongest(chain, patterns)
    fault_class, culprit = signal if signal else (UNKNOWN, error)
    state = next((found for found in map(sqlstate, [culprit, *chain]) if found), None)
    text = str(error) if culprit is error or str(culprit) in str(error) else f"{error}\n{culprit}"
    return Fault(fault_class=fault_class, exception=_name(type(culprit)), message=redact(text), sqlstate=state)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE an exception carries (psycopg, psycopg2, asyncpg; also inside SQLAlchemy's wrapper)."""
    for holder in (error, getattr(error, "orig", None)):
        for attribute in ("sqlstate", "pgcode"):
            found = getattr(holder, attribute, None)
            if isinstance(found, str) and _SQLSTATE.match(found):
                return found
    return None


def _strongest(chain: list[BaseException], patterns: Patterns) -> tuple[str, BaseException] | None:
    finders: tuple[Callable[[BaseException, Patterns], str | None], ...] = (
        _by_sqlstate,
        _by_exception,
        _by_http_status,
        _by_message,
    )
    for find in finders:
        for error in chain:
            found = find(error, patterns)
            if found:
                return found, error
    return None


def _by_sqlstate(error: BaseException, patterns: Patterns) -> str | None:
    state = sqlstate(error)
    if state is None:
        return None
    exact = _first(patterns, lambda pattern: state in pattern.signals.sqlstates)
    return exact or _first(patterns, lambda pattern: f"{state[:2]}*" in pattern.signals.sqlstates)


def _by_exception(error: BaseException, patterns: Patterns) -> str | None:
    for kind in type(error).__mro__:
        found = _first(patterns, partial(_names, _name(kind)))
        if found:
            return found
    return None


def _names(exception: str, pattern: Pattern) -> bool:
    return exception in pattern.signals.exceptions


def _by_http_status(error: BaseException, patterns: Patterns) -> str | None:
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "status_code", None)
    if not isinstance(status, int):
        return None
    return _first(patterns, lambda pattern: status in pattern.signals.http_statuses)


def _by_message(error: BaseException, patterns: Patterns) -> str | None:
    text = str(error)
    return _first(patterns, lambda pattern: any(re.search(found, text) for found in pattern.signals.messages))


def _first(patterns: Iterable[Pattern], matches: Callable[[Pattern], bool]) -> str | None:
    return next((pattern.name for pattern in patterns if matches(pattern)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, outermost first; SQLAlchemy's `orig` counts as a cause."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _CHAIN_LIMIT:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        current = original if isinstance(original, BaseException) else cause


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
