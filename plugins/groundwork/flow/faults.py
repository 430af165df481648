"""Errors of the database → errors by what the caller must do.

A lost connection, a lock that was not granted and a server that is full are worth another try; a missing table or
column means that the database is not what the contract says; everything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, PendingRollbackError, ResourceClosedError

from groundwork.model.errors import ConfigError, GroundworkError, RetriableError

_RETRIABLE_CLASSES = ("08", "40", "53", "55", "57", "58")  # connection, rollback, resources, state, operator, system
_NOT_AS_DECLARED = {
    "3F000": "the schema is not there",
    "42P01": "a table is not there",
    "42703": "a column is not there",
    "42501": "the login role may not do this",
    "42804": "a column has another type than declared",
}


@contextmanager
def database_faults(where: str) -> Iterator[None]:
    """Raise database errors of the block as Groundwork's; `where` names the table for people."""
    try:
        yield
    except (DBAPIError, psycopg.Error, PendingRollbackError, ResourceClosedError) as error:
        found = groundwork_error(error, where)
        if found is None:
            raise
        raise found from error


def groundwork_error(error: Exception, where: str) -> GroundworkError | None:
    """Groundwork's word for `error`, or null when there is none."""
    cause = _driver_error(error)
    state = cause.sqlstate if cause is not None else None
    told = str(cause or error).strip().split("\n")[0]
    if state in _NOT_AS_DECLARED:
        return ConfigError(
            _NOT_AS_DECLARED[state],
            where=where,
            expected="the database as the contract declares it",
            found=told,
            next_step="groundwork compare-to-db, then run the phase schema_design again",
        )
    if state == "23505":
        return RetriableError(
            "somebody else wrote a row with the same key meanwhile",
            where=where,
            found=told,
            next_step="run the load again: it will see the other row",
        )
    if _is_lost(error, cause) or (state is not None and state.startswith(_RETRIABLE_CLASSES)):
        return RetriableError(
            "the database did not finish the work; nothing was changed",
            where=where,
            found=f"{told} (SQLSTATE {state})" if state else told,
            next_step="run it again when the database is reachable and free",
        )
    return None


def _driver_error(error: BaseException | None) -> psycopg.Error | None:
    """The driver's error behind `error`: itself, what SQLAlchemy wraps, or what came first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, psycopg.Error) and (error.sqlstate or error.__context__ is None):
            return error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return None


def _is_lost(error: Exception, cause: psycopg.Error | None) -> bool:
    if isinstance(error, PendingRollbackError | ResourceClosedError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return cause is None or (cause.sqlstate is None and isinstance(cause, psycopg.OperationalError))
