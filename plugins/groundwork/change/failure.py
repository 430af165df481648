"""What a server's refusal of a migration statement means for the caller."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from groundwork.change.stage import Stage
from groundwork.model.errors import ConfigError, DataQualityError, GroundworkError, RetriableError

_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"
_QUERY_CANCELED = "57014"
_DUPLICATES = frozenset(["42P06", "42P07", "42701", "42710"])  # schema, table or index, column, other object
_INTEGRITY_CLASS = "23"
_DATA_CLASS = "22"  # a value that a cast refuses
_CONNECTION_CLASSES = ("08", "57P")


def sqlstate(error: DBAPIError) -> str:
    """The server's code for `error`; empty when it has none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def is_worth_another_try(error: DBAPIError) -> bool:
    """Whether the lock may be granted when the stage is tried again."""
    return sqlstate(error) in (_LOCK_NOT_AVAILABLE, _DEADLOCK)


def explained(stage: Stage, error: DBAPIError, attempts: int) -> GroundworkError:
    """The error to raise for a stage that failed for good."""
    code = sqlstate(error)
    found = str(error.orig).strip().partition("\n")[0]
    if error.connection_invalidated or code.startswith(_CONNECTION_CLASSES):
        return RetriableError("the connection was lost in a migration", where=stage.what, found=found, next_step=_AGAIN)
    if is_worth_another_try(error):
        return RetriableError(
            f"a lock was not granted in {attempts} tries",
            where=stage.what,
            expected=stage.lock,
            found=found,
            next_step="look in pg_locks for who holds the table, then run the migration again",
        )
    if code == _QUERY_CANCELED:
        return RetriableError(
            "a statement ran out of time", where=stage.what, found=found, next_step="raise statement_timeout_seconds"
        )
    if code in _DUPLICATES:
        return RetriableError(
            "the database changed since the plan was made", where=stage.what, found=found, next_step=_AGAIN
        )
    if code.startswith((_INTEGRITY_CLASS, _DATA_CLASS)):
        return DataQualityError(
            "rows in the table do not hold what the contract declares",
            where=stage.what,
            expected=stage.sql[-1],
            found=found,
            next_step="correct or move those rows (or give a new column a default), then run the migration again",
        )
    return ConfigError("the server refuses a statement", where=stage.what, found=found, next_step=_AGAIN)


_AGAIN = "run the migration again: it compares anew and goes on where it stopped"
