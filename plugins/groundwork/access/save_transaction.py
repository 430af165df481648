"""The one transaction that good rows go into, opened by the repository: written, audited and committed, or undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Column, Connection, MetaData, Table, Text, select, text
from sqlalchemy.exc import DBAPIError

from groundwork.access.check_report import CheckReport, SaveMode, SaveReport
from groundwork.access.errors import translated
from groundwork.access.repository import Repositories, Repository, Transaction
from groundwork.access.save_text import DEFAULT, GIVEN, copy_text
from groundwork.access.validation import Field
from groundwork.contracts.contract import TableContract
from groundwork.flow.driver import driver_connection
from groundwork.model.errors import DataQualityError, GroundworkError
from groundwork.model.operation import Operation
from groundwork.store.audit import AuditTrail

_STEPS = {"rows_saved": 221, "save_undone": 222}
_STAGED = "groundwork_saving"
_PATTERN = "groundwork_given"


class _UndoneError(Exception):
    """Leaves the transaction's block so that it is rolled back."""


@dataclass(kw_only=True)
class Audit:
    """What the audit trail is told of one save; counts, never values."""

    trail: AuditTrail | None
    actor: str
    domain: str
    subject: str
    mode: SaveMode

    def append(self, action: str, details: Mapping[str, object]) -> int | None:
        """One event; its sequence number, or null without a trail."""
        if self.trail is None:
            return None
        operation = Operation(project=self.domain, name="save rows", step=_STEPS[action], kind="apis")
        return self.trail.append(
            actor=self.actor,
            action=action,
            subject=f"warehouse:{self.subject}",
            operation_id=operation.id,
            section=operation.section,
            details={"mode": str(self.mode), **details},
        )


@dataclass(kw_only=True)
class Saving:
    """The transaction that good rows go into; `columns` are those that rows may give."""

    repositories: Repositories
    table: TableContract
    columns: tuple[Field, ...]
    numbers: Mapping[str, int]
    mode: SaveMode
    audit: Audit
    _stack: ExitStack = field(default_factory=ExitStack, init=False)
    _inner: ExitStack = field(default_factory=ExitStack, init=False)
    _transaction: Transaction | None = field(default=None, init=False)
    _copying: psycopg.Copy | None = field(default=None, init=False)
    _is_over: bool = field(default=False, init=False)
    _written: int = field(default=0, init=False)
    _unchanged: int = field(default=0, init=False)
    _refusal: GroundworkError | None = field(default=None, init=False)
    _sequence: int | None = field(default=None, init=False)
    _is_saved: bool = field(default=False, init=False)

    def write(self, rows: Any) -> None:
        """Take the good rows of one block; a refusal of the database ends the transaction."""
        if self._is_over or not rows.num_rows:
            return
        try:
            if self._transaction is None:
                self._transaction = self._stack.enter_context(self.repositories.transaction())
            self._copy(rows)
        except (GroundworkError, DBAPIError, psycopg.Error) as error:
            self._refused(error)

    def abandon(self) -> None:
        """Undo everything that was written, if anything is open."""
        self._is_over = True
        if self._transaction is not None:
            self._transaction = None
            with suppress(Exception):  # COPY is ended in order, else the driver would log rows; then all is undone
                self._inner.close()
            self._stack.__exit__(_UndoneError, _UndoneError(), None)

    def finish(self, rows: int) -> bool:
        """Hold the rows to deferred constraints, audit them and commit; false when the database refuses."""
        if self._is_over:
            return False
        details: dict[str, object] = {"rows": rows}
        try:
            if self._transaction is not None:
                self._inner.close()  # the end of COPY
                if self.mode is SaveMode.UPSERT:
                    self._merge()
                self._hold_to_deferred()
            details |= {"written": self._written, "unchanged": self._unchanged}
            self._sequence = self.audit.append("rows_saved", details) if rows else None
            self._transaction, self._is_over = None, True
            self._stack.close()
        except (GroundworkError, DBAPIError, psycopg.Error) as error:
            if self._sequence is not None:
                self.audit.append("save_undone", details)
                self._sequence = None
            self._refused(error)
            return False
        self._is_saved = True
        return True

    def report(self, check: CheckReport) -> SaveReport:
        """What became of it."""
        return SaveReport(
            check=check,
            mode=self.mode,
            is_saved=self._is_saved,
            written=self._written if self._is_saved else 0,
            unchanged=self._unchanged if self._is_saved else 0,
            refusal=str(self._refusal) if self._refusal is not None else None,
            audit_sequence=self._sequence,
        )

    def _refused(self, error: Exception) -> None:
        """Remember what the database said of the rows; anything else it said is the caller's to handle."""
        self.abandon()
        found = translated(error, self.table)
        if not isinstance(found, DataQualityError):
            raise found from error
        self._refusal = found

    def _hold_to_deferred(self) -> None:
        with self._connection() as connection:
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    def _connection(self) -> AbstractContextManager[Connection]:
        return self._repository().begin()

    def _copy(self, rows: Any) -> None:
        """Send the rows into the one COPY of this save, in whose end references are looked at all together."""
        if self._copying is None:
            self._copying = self._inner.enter_context(self._open_copy())
        self._copying.write(copy_text(rows, self.columns, self.numbers, with_pattern=self.mode is SaveMode.UPSERT))
        self._written += rows.num_rows

    @contextmanager
    def _open_copy(self) -> Iterator[psycopg.Copy]:
        names = [each.name for each in self.columns]
        target = sql.Identifier(self.table.schema, self.table.name)
        options = sql.SQL("DEFAULT {}, ").format(sql.Literal(DEFAULT))
        if self.mode is SaveMode.UPSERT:
            target, options, names = sql.Identifier(_STAGED), sql.Composed([]), [*names, _PATTERN]
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, {}ENCODING 'UTF8')").format(
            target, sql.SQL(", ").join(map(sql.Identifier, names)), options
        )
        with self._connection() as connection, driver_connection(connection).cursor() as cursor:
            if self.mode is SaveMode.UPSERT:
                cursor.execute(self._staging())
            with cursor.copy(statement) as copy:
                yield copy

    def _staging(self) -> sql.Composed:
        """A temporary table for rows that may be there already, with the pattern of the columns that each gives."""
        names = sql.SQL(", ").join(sql.Identifier(each.name) for each in self.columns)
        create = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}, ''::text AS {} FROM {} WITH NO DATA")
        table = sql.Identifier(self.table.schema, self.table.name)
        return create.format(sql.Identifier(_STAGED), names, sql.Identifier(_PATTERN), table)

    def _merge(self) -> None:
        """Insert or change, one statement for all rows that give the same columns."""
        repository = self._repository()
        columns = [Column(each.name, each.kind) for each in self.columns]
        staged = Table(_STAGED, MetaData(), *columns, Column(_PATTERN, Text))
        changed = 0
        with self._connection() as connection:
            patterns: Sequence[str] = connection.scalars(select(staged.c[_PATTERN]).distinct()).all()
            for pattern in patterns:
                names = [each.name for each, mark in zip(self.columns, pattern, strict=True) if mark == GIVEN]
                rows = select(*(staged.c[name] for name in names)).where(staged.c[_PATTERN] == pattern)
                changed += repository.upsert_from(connection, rows, names)
        self._written, self._unchanged = changed, self._written - changed

    def _repository(self) -> Repository:
        if self._transaction is None:
            raise RuntimeError("no transaction is open")
        return self._transaction[self.table.name]
