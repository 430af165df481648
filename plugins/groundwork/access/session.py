"""Transactions on the warehouse, as its owner or as a contract's role.

Taking a role, the time limit, the time zone and read-only mode hold for one transaction only, so a connection that
goes back to the pool carries nothing over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, bindparam, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from groundwork.access.errors import NotReadyError, translated
from groundwork.store.round_trip import SettingsError, fetch

# set_config(…, true) is SET LOCAL as a function: one round trip for all, and the values are parameters.
_AS_OWNER = select(
    func.set_config("timezone", "UTC", True),
    func.set_config("statement_timeout", bindparam("timeout"), True),
    func.set_config("transaction_read_only", bindparam("read_only"), True),
)
_AS_ROLE = _AS_OWNER.add_columns(func.set_config("role", bindparam("role"), True))
_READ = """
    SELECT set_config('timezone', 'UTC', true), set_config('statement_timeout', %(timeout)s, true),
    set_config('transaction_read_only', 'on', true), set_config('role', %(role)s, true)
"""
_NO_ROLE = ("22023", "42501", "42704")  # the role does not exist, or may not be taken


@dataclass(frozen=True, kw_only=True)
class Session:
    """How transactions begin: `role` null means the owner, a time limit of 0 seconds means none."""

    engine: Engine
    role: str | None = None
    timeout_seconds: float = 0

    @contextmanager
    def begin(self, *, read_only: bool = False) -> Iterator[Connection]:
        """One transaction, committed at the end of the block and rolled back when it raises.

        Raises: NotReadyError when the role cannot be taken; the driver's own errors for all else.
        """
        settings = {"timeout": self._timeout, "read_only": "on" if read_only else "off"}
        with self.engine.begin() as connection:
            if self.role is None:
                connection.execute(_AS_OWNER, settings)
            else:
                self._take_role(connection, {**settings, "role": self.role})
            yield connection

    def fetch(self, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """All rows of one reading statement of the driver's, in a transaction of its own.

        It costs one network round trip. Raises as `begin` does.
        """
        settings = {"timeout": self._timeout, "role": self.role or "none"}
        try:
            return fetch(self.engine, (statement, values), settings=(_READ, settings))
        except SettingsError as error:
            if isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate in _NO_ROLE:
                raise self._no_role() from error
            raise error.__cause__ or error from error

    @property
    def _timeout(self) -> str:
        return str(int(self.timeout_seconds * 1000))

    def _take_role(self, connection: Connection, settings: dict[str, str]) -> None:
        try:
            connection.execute(_AS_ROLE, settings)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in _NO_ROLE:
                raise self._no_role() from error
            raise

    def _no_role(self) -> NotReadyError:
        return NotReadyError(
            "the role is not there yet, or this service may not take it",
            where=self.role,
            expected="a database role made from the contract, granted to the service's login",
            next_step="run the Dag `data_foundation` or `governance`, which make the roles",
        )


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn the driver's errors of the block into errors of this room where no table is known."""
    try:
        yield
    except (DBAPIError, psycopg.Error, PoolTimeout) as error:
        raise translated(error) from error
