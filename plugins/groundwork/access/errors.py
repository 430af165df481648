"""What can go wrong on the way in, as errors that a caller can act on, and the translation of the server's errors.

Nothing of the server's own message is passed on: it can name values that the caller's role must not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from groundwork.contracts.contract import TableContract
from groundwork.model.errors import ConfigError, DataQualityError, FatalError, GroundworkError, RetriableError

_RUN_FOUNDATION = "run the Dag `data_foundation`, which makes tables and roles, then try again"


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One thing wrong with one field; `row` counts the given rows from 0; `column` is null for the row as a whole.

    `corrected` is a value in its JSON form that would pass, where the given one can mean nothing else; else null.
    """

    row: int
    column: str | None
    expected: str
    found: str
    suggestion: str
    corrected: object = None

    def to_json(self) -> dict[str, object]:
        """The error as a JSON object; `corrected` only where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "corrected" or value is not None}


class InvalidRowsError(DataQualityError):
    """Rows that break their contract; `errors` lists everything that is wrong with them."""

    def __init__(self, table: str, errors: Sequence[FieldError]) -> None:
        self.table = table
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(
            f"{len(self.errors)} field(s) do not meet the contract",
            where=f"{table}.{first.column}" if first.column else table,
            expected=first.expected,
            found=first.found,
            next_step=first.suggestion,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.table, self.errors))


class InvalidQueryError(ConfigError):
    """A filter, order, field list, key or cursor that the table does not know or cannot read."""


class DuplicateRowError(DataQualityError):
    """A row with this key exists already."""


class MissingReferenceError(DataQualityError):
    """A row points at a row that does not exist, or is still pointed at."""


class RowNotFoundError(FatalError):
    """No row has this key."""


class StaleRowError(RetriableError):
    """The row was changed since it was read: read it again, then decide again."""


class AccessRefusedError(FatalError):
    """The role may not do this."""


class NotReadyError(RetriableError):
    """The tables or roles do not exist yet."""


class UnavailableError(RetriableError):
    """The database did not answer in time, or not at all."""


def translated(error: Exception, table: TableContract | None = None) -> Exception:
    """The error to raise instead of the driver's; an error that nobody knows comes back as it is."""
    if isinstance(error, PoolTimeout):
        return UnavailableError("all connections to the database are in use", next_step="try again in a moment")
    if not isinstance(error, DBAPIError | psycopg.Error):
        return error
    origin = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(origin, "sqlstate", None) or ""
    where = table.qualified_name if table else None
    found = _by_state(state, getattr(origin, "diag", None), table, where) or _by_class(state, where)
    if found is None and isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError):
        found = UnavailableError("the database does not answer", where=where, next_step="groundwork status")
    return found or error


def _by_state(state: str, diagnostics: Any, table: TableContract | None, where: str | None) -> GroundworkError | None:
    if table is not None and state in ("23505", "23503", "23514", "23502", "23P01"):
        return _broken_constraint(state, diagnostics, table)
    if state in ("42P01", "3F000", "42703"):
        return NotReadyError(
            "the table is not there yet as its contract declares it", where=where, next_step=_RUN_FOUNDATION
        )
    if state == "42501":
        return AccessRefusedError(
            "the role may not do this",
            where=where,
            expected="a grant in the database",
            next_step="use a key of a role that may, or change the contract's roles",
        )
    if state == "57014":
        return UnavailableError("the query took too long and was ended", where=where, next_step="narrow the filters")
    return None


def _by_class(state: str, where: str | None) -> GroundworkError | None:
    if state[:2] in ("40", "55", "57", "53", "08"):
        return UnavailableError("the database could not do this now", where=where, found=state, next_step="try again")
    if state[:2] == "22" or state in ("54001", "54000"):
        error = FieldError(
            row=0,
            column=None,
            expected="values that the database can hold",
            found=f"a value it refuses ({state})",
            suggestion="check sizes and formats of the values",
        )
        return InvalidRowsError(where or "the table", [error])
    return None


def _broken_constraint(state: str, diagnostics: Any, table: TableContract) -> GroundworkError:
    name = getattr(diagnostics, "constraint_name", None) or ""
    where = table.qualified_name
    if state in ("23505", "23P01"):
        columns = _unique_columns(name, table)
        return DuplicateRowError(
            "a row with this key exists already",
            where=where,
            expected=f"a new value in {', '.join(columns) or name}",
            found="a value that another row has",
            next_step="update that row, or give another key",
        )
    if state == "23503":
        return _missing_reference(name, table)
    column = getattr(diagnostics, "column_name", None) if state == "23502" else None
    condition = next((check.condition for check in table.checks if check.name == name), None)
    field = FieldError(
        row=0,
        column=column,
        expected=condition or ("a value" if column else f"the rule {name or 'of the table partitions'} holds"),
        found="nothing" if column else "values for which it does not hold",
        suggestion=f"change the values so that `{condition or name}` holds" if not column else f"give {column} a value",
    )
    return InvalidRowsError(where, [field])


def _missing_reference(name: str, table: TableContract) -> MissingReferenceError:
    for relationship in table.relationships:
        if name == f"{table.name}_{'_'.join(relationship.columns)}_fkey":
            target = f"{relationship.target_table}.{', '.join(relationship.target_columns)}"
            return MissingReferenceError(
                "the row points at a row that does not exist",
                where=f"{table.qualified_name}.{', '.join(relationship.columns)}",
                expected=f"a value of {target}",
                found="a value that is not there",
                next_step=f"create the row in {relationship.target_table} first, or correct the value",
            )
    return MissingReferenceError(
        "another row still points at this one",
        where=table.qualified_name,
        expected="no row that points here",
        found=name or "a foreign key",
        next_step="delete or change the rows that point here first",
    )


def _unique_columns(name: str, table: TableContract) -> tuple[str, ...]:
    if name.endswith("_pkey"):
        return table.primary_key
    for key in table.unique_keys:
        if key.name == name:
            return key.columns
    for index in table.indexes:
        if index.name == name:
            return tuple(key.column or key.expression or "" for key in index.keys)
    return ()
