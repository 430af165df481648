"""From an exception to a fault: which error pattern it belongs to.

Looks at the whole chain of causes, because drivers and SQLAlchemy wrap. Signals from strongest to weakest: a class
that interrupts whatever runs; SQLSTATE, exact before class; exception class together with what was measured; exception
class, nearest in the hierarchy first; HTTP status; text of the message; what was measured alone. The strongest signal
found anywhere in the chain decides.
Classes are compared by name, so that no driver has to be imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from groundwork.model.fault import UNKNOWN, Fault
from groundwork.orbt.observations import Observations, holds
from groundwork.orbt.patterns import Pattern, Patterns
from groundwork.orbt.redaction import redact

_CHAIN_LIMIT = 20  # exceptions looked at; a longer chain is a loop or a bug
_SQLSTATE = re.compile(r"^[0-9A-Z]{5}$")


@dataclass(frozen=True, kw_only=True)
class OwnStatement:
    """The SQL that a task declares, as it was rendered, and its parameters; both can hold row values and secrets."""

    statement: str = field(repr=False)
    parameters: Any = field(default=None, repr=False)


def classify(error: BaseException, patterns: Patterns, observed: Observations | None = None) -> Fault:
    """The fault that `error` is; its class is `unknown` when no pattern matches. The message is redacted.

    `observed` is what was measured when it failed.
    """
    chain = list(chain_of(error))
    signal = _strongest(chain, patterns, observed or {})
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


def failed_statement(error: BaseException | None, own: OwnStatement | None = None) -> dict[str, Any]:
    """`statement` and `parameters` that the server was asked, as far as the chain of causes tells; else those of `own`.

    Both can hold row values: for looking only, never to be kept or logged.
    """
    for each in chain_of(error) if error is not None else ():
        statement = getattr(each, "statement", None)
        if isinstance(statement, str):
            return {"statement": statement, "parameters": getattr(each, "params", None)}
    if own is not None:
        return {"statement": own.statement, "parameters": own.parameters}
    return {"statement": None, "parameters": None}


def _strongest(
    chain: list[BaseException], patterns: Patterns, observed: Observations
) -> tuple[str, BaseException] | None:
    finders: tuple[Callable[[BaseException, Patterns], str | None], ...] = (
        _by_interruption,
        _by_sqlstate,
        partial(_by_observed_exception, observed),
        _by_exception,
        _by_http_status,
        _by_message,
        partial(_by_observation, observed),
    )
    for find in finders:
        for error in chain:
            found = find(error, patterns)
            if found:
                return found, error
    return None


def _by_observed_exception(observed: Observations, error: BaseException, patterns: Patterns) -> str | None:
    names = {_name(kind) for kind in type(error).__mro__}
    return _first(
        patterns,
        lambda pattern: any(
            names.intersection(each.exceptions) and _all_hold(each.conditions, observed)
            for each in pattern.signals.observed
        ),
    )


def _by_observation(observed: Observations, _error: BaseException, patterns: Patterns) -> str | None:
    return _first(
        patterns,
        lambda pattern: any(
            not each.exceptions and _all_hold(each.conditions, observed) for each in pattern.signals.observed
        ),
    )


def _all_hold(conditions: Iterable[str], observed: Observations) -> bool:
    return all(holds(condition, observed) for condition in conditions)


def _by_interruption(error: BaseException, patterns: Patterns) -> str | None:
    name = _name(type(error))
    return _first(patterns, lambda pattern: name in pattern.signals.deciding)


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
    own = vars(error).get("status_code")  # that of a class, as all of Airflow's have, tells how to answer a request
    status = getattr(getattr(error, "response", None), "status_code", None) or own
    if not isinstance(status, int):
        return None
    return _first(patterns, lambda pattern: status in pattern.signals.http_statuses)


def _by_message(error: BaseException, patterns: Patterns) -> str | None:
    text = str(error)
    return _first(patterns, lambda pattern: any(re.search(found, text) for found in pattern.signals.messages))


def _first(patterns: Iterable[Pattern], matches: Callable[[Pattern], bool]) -> str | None:
    return next((pattern.name for pattern in patterns if matches(pattern)), None)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, outermost first; SQLAlchemy's `orig` counts as a cause, and so does each member
    of a group.
    """
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < _CHAIN_LIMIT:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        waiting += filter(None, [original if isinstance(original, BaseException) else cause])
        if isinstance(current, BaseExceptionGroup):
            waiting += reversed(current.exceptions)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
