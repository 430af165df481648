"""Rows against their contract, all errors at once: fields, keys, references, conditions over several columns.

Millions of rows pass in bounded memory: DuckDB says block by block which rows are plainly good, the row-wise rules of
`groundwork.access.validation` judge and explain the others, and what is compared across rows is kept on disk. Nothing
is written anywhere else. `groundwork.access.save` saves what passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from groundwork.access.check_blocks import Source
from groundwork.access.check_errors import Errors
from groundwork.access.check_evaluate import Evaluation
from groundwork.access.check_keys import Comparing
from groundwork.access.check_plan import CheckPlan, plan_checks
from groundwork.access.check_report import CheckReport, RowError
from groundwork.access.check_source import FileFormat, Rows, open_source
from groundwork.access.check_split import Splitter
from groundwork.access.check_store import RowStore
from groundwork.access.relation import relation
from groundwork.access.validation import RowRules
from groundwork.contracts.contract import Domain, TableContract

MAX_ERRORS = 100


class Sink(Protocol):
    """Where good rows go while they are checked."""

    def write(self, rows: Any) -> None:
        """Take the good rows of one block."""

    def abandon(self) -> None:
        """Undo everything; nothing more is written."""

    def finish(self, rows: int) -> bool:
        """Make everything permanent and say whether that worked."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How a check is run.

    `max_errors` errors are kept, all go to `on_error`; `on_progress` gets rows and bytes so far. Without `vectorised`
    every row is read by itself. `updates` means that a primary key that is taken is no error.
    """

    file_format: FileFormat | None = None
    max_errors: int = MAX_ERRORS
    on_error: Callable[[RowError], None] | None = None
    on_progress: Callable[[int, int], None] | None = None
    vectorised: bool = True
    updates: bool = False


def check_rows(
    connection: Connection | None,
    domain: Domain,
    table: TableContract,
    rows: Rows,
    options: CheckOptions | None = None,
) -> CheckReport:
    """Check rows (a path, a stream, or mappings from column to value) against the contract of `table`.

    With `connection` keys and references are looked up in its database too; without it the report says what was not
    checked. Nothing is written. Raises: ConfigError for an input that cannot be read, and what the database raises.
    """
    options = options or CheckOptions()
    with open_source(rows, options.file_format) as source:
        return Checking(domain=domain, table=table, source=source, options=options).run(lambda: connection)


@dataclass(kw_only=True)
class Checking:
    """One check while it runs; with a `sink` good rows are written as they come."""

    domain: Domain
    table: TableContract
    source: Source
    options: CheckOptions
    sink: Sink | None = None
    _rows: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._plan: CheckPlan = plan_checks(self.domain, self.table)
        self.rules = RowRules(relation(self.table), reader=self.source.reader, extra=self._plan.extra)
        self._errors = Errors(self.options.max_errors, self.options.on_error)
        self._not_checked = list(self._plan.not_checked)
        self.numbers = {name: number for number, name in enumerate(self.rules.fields)}

    def run(self, connect: Callable[[], Connection | None]) -> CheckReport:
        """Check everything; `connect` gives the database to look things up in, or null."""
        header = self.source.open(self.rules)
        for error in header:
            self._errors.add(error)
        comparing = Comparing(
            table=self.table,
            plan=self._plan,
            fields=self.rules.fields,
            errors=self._errors,
            not_checked=self._not_checked,
            updates=self.options.updates,
        )
        with RowStore(sorted(comparing.compared), self.numbers) as store:
            self._read(store, comparing.compared, frozenset(error.column or "" for error in header), connect)
            for key in self._plan.keys:
                comparing.compare(store, key)
            if not self._saved():
                comparing.look_up(store, connect())
        return self._report()

    def _read(
        self,
        store: RowStore,
        compared: frozenset[str],
        ignored: frozenset[str],
        connect: Callable[[], Connection | None],
    ) -> None:
        wanted = compared | self._plan.wanted
        splitter = Splitter(
            source=self.source,
            rules=self.rules,
            errors=self._errors,
            wanted=wanted,
            for_saving=self.sink is not None,
            vectorised=self.options.vectorised,
            ignored=ignored,
        )
        conditions = Evaluation(self.table, self._plan.conditions, self.rules.fields, self._errors, connect)
        for split in splitter.splits():
            self._rows += split.count
            self._bytes += split.byte_count
            conditions.look_at(split)
            store.add(split.good, whole=True)
            store.add(split.partial, whole=False)
            if self.sink is not None:
                if self._errors.count:
                    self.sink.abandon()
                else:
                    self.sink.write(split.good)
            if self.options.on_progress is not None:
                self.options.on_progress(self._rows, self._bytes)
        self._not_checked += conditions.not_checked

    def _saved(self) -> bool:
        """Whether everything was right and is saved, so that the database has held it to its own constraints."""
        if self.sink is None:
            return False
        if self._errors.count or not self.source.is_complete:
            self.sink.abandon()
            return False
        return self.sink.finish(self._rows)

    def _report(self) -> CheckReport:
        return CheckReport(
            table=self.table.qualified_name,
            source=self.source.description,
            format=self.source.format,
            rows=self._rows,
            bad_rows=self._errors.bad_rows,
            error_count=self._errors.count,
            errors=tuple(self._errors.kept),
            counts=self._errors.counts,
            not_checked=tuple(self._not_checked),
            is_complete=self.source.is_complete,
            seconds=time.monotonic() - self._started,
        )
