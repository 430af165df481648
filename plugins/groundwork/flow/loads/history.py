"""Slowly changing dimensions of type 2: a changed row ends and a new version of it begins, in one transaction.

Declared in a table's `source`: `mode: scd2` and `history: {key, valid_from, valid_to, is_current, on_missing}`. `key`
names the columns by which a thing is the same thing; with `valid_from` they are the table's primary key. The current
version has no `valid_to`. Where the source fills `valid_from` itself, it tells when a version began, versions may come
in any order, and each ends where the next begins; else a version begins at the time of the load, and never before the
one it follows, whatever the clock does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Interval,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    null,
    select,
    tuple_,
    update,
)

from groundwork.contracts.contract import TableContract
from groundwork.flow.loads.publish import Published, Publisher
from groundwork.flow.quarantine.rejected import Quarantine
from groundwork.flow.statement import changed_rows
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

_MOMENT = ("date", "timestamp")


@dataclass(frozen=True, kw_only=True)
class History:
    """The columns of a history; `closes_missing`: a thing that the source has no more ends too."""

    key: tuple[str, ...]
    valid_from: str
    valid_to: str
    is_current: str | None
    closes_missing: bool


def declared_history(contract: TableContract) -> History:
    """The history that the table's source declares.

    Raises: ConfigError when a column is missing, or the key and `valid_from` are not the primary key.
    """
    declared: Mapping[str, Any] = (contract.source or {}).get("history") or {}
    found = History(
        key=tuple(declared.get("key", ())),
        valid_from=str(declared.get("valid_from", "valid_from")),
        valid_to=str(declared.get("valid_to", "valid_to")),
        is_current=declared.get("is_current"),
        closes_missing=declared.get("on_missing", "keep") == "close",
    )
    if not found.key or {*found.key, found.valid_from} != set(contract.primary_key):
        raise ConfigError(
            "a history is kept by its key and the time from which a version holds; both are the primary key",
            where=contract.qualified_name,
            expected=f"source.history.key, which with {found.valid_from} is the primary key",
            found=f"key {', '.join(found.key) or 'none'}, primary key {', '.join(contract.primary_key) or 'none'}",
            next_step="correct `source.history` or the primary key in the contract",
        )
    for name in (found.valid_from, found.valid_to):
        column = contract.column(name)
        if not column.type.lower().startswith(_MOMENT) or (name == found.valid_to and column.is_required):
            raise ConfigError(
                "the times of a history are dates or timestamps, and the end may be missing",
                where=f"{contract.qualified_name}.{name}",
                expected="date or timestamp; `valid_to` not required",
                found=column.type,
                next_step="correct the column in the contract",
            )
    if found.is_current is not None:
        contract.column(found.is_current)
    return found


@dataclass(frozen=True, kw_only=True)
class HistoryPublisher:
    """The way of one load's rows into a table that keeps its history; `is_whole`: no record was left out."""

    connection: Connection
    contract: TableContract
    staging: Table
    target: Table
    columns: tuple[str, ...]
    quarantine: Quarantine
    history: History
    is_whole: bool

    @cached_property
    def _plain(self) -> Publisher:
        """Keys are settled as in any load: by the thing, or by the version where the source tells when it began."""
        return Publisher(
            connection=self.connection,
            contract=self.contract,
            staging=self.staging,
            target=self.target,
            columns=self.columns,
            mode=WriteMode.MERGE,
            quarantine=self.quarantine,
            key_columns=self.history.key if not self._is_dated else None,
            constants={self.history.is_current: False} if self.history.is_current else {},
        )

    @property
    def _is_dated(self) -> bool:
        return self.history.valid_from in self.columns

    def settle_keys(self) -> Published:
        """Leave each thing (or version) once in staging."""
        return self._plain.settle_keys()

    def is_new(self) -> ColumnElement[bool]:
        """Whether the table has no version of the staged row's thing."""
        there = select(literal(1)).where(self._same_thing(self.staging, self.target))
        return not_(exists(there.correlate(self.staging)))

    def write(self) -> Published:
        """Bring the staged rows in; `updated` counts things with a new version, `removed` those that ended."""
        if self._is_dated:
            return self._write_dated()
        ended = self._close_missing()
        current = self._is_open(self.target)
        same = and_(
            self._same_thing(self.staging, self.target), current, self._plain.is_same(self.staging, self.target)
        )
        unchanged = changed_rows(self.connection, delete(self.staging).where(same))
        corrected = self._correct() if self._is_by_day else 0
        changed = self._end_changed()
        written = self._insert(moment=self._next_moment())
        return Published(loaded=written - changed, updated=changed + corrected, unchanged=unchanged, removed=ended)

    def _write_dated(self) -> Published:
        """Versions that bring their own beginning: in any order, corrected in place when they come again."""
        written = self._plain.write()
        self._chain()
        return written

    @property
    def _is_by_day(self) -> bool:
        return isinstance(self.target.c[self.history.valid_from].type, Date)

    def _close_missing(self) -> int:
        if not (self.history.closes_missing and self.is_whole):
            return 0
        there = exists(select(literal(1)).where(self._same_thing(self.staging, self.target)).correlate(self.target))
        gone = update(self.target).where(self._is_open(self.target), not_(there))
        return changed_rows(self.connection, gone.values(self._ending()))

    def _correct(self) -> int:
        """By day: a version that began today (or later) takes the change itself, because a day has one version."""
        version = self.target.c[self.history.valid_from]
        matching = and_(
            self._same_thing(self.staging, self.target), self._is_open(self.target), version >= func.current_date()
        )
        values = {name: self.staging.c[name] for name in self._tracked}
        corrected = changed_rows(self.connection, update(self.target).values(values).where(matching))
        if corrected:
            changed_rows(self.connection, delete(self.staging).where(matching))
        return corrected

    def _end_changed(self) -> int:
        ended = update(self.target).where(self._same_thing(self.staging, self.target), self._is_open(self.target))
        return changed_rows(self.connection, ended.values(self._ending()))

    def _ending(self) -> dict[str, Any]:
        version = self.target.c[self.history.valid_from]
        values: dict[str, Any] = {self.history.valid_to: self._not_before(version)}
        if self.history.is_current is not None:
            values[self.history.is_current] = False
        return values

    def _not_before(self, version: ColumnElement[Any]) -> ColumnElement[Any]:
        """The present, or the moment after `version` when the clock says less."""
        if self._is_by_day:
            return func.greatest(func.current_date(), version)
        return cast(func.greatest(func.now(), version + cast("1 microsecond", Interval)), version.type)

    def _next_moment(self) -> ColumnElement[Any]:
        """When the new version of a staged thing begins: where the last one ended."""
        last = self.target.alias("last")
        ended = select(func.max(last.c[self.history.valid_to])).where(self._same_thing(self.staging, last))
        now = func.current_date() if self._is_by_day else func.now()
        return func.coalesce(func.greatest(ended.correlate(self.staging).scalar_subquery(), now), now)

    def _insert(self, moment: ColumnElement[Any]) -> int:
        values: list[ColumnElement[Any]] = [self.staging.c[name] for name in self.columns]
        names = [*self.columns, self.history.valid_from, self.history.valid_to]
        values += [cast(moment, self.target.c[self.history.valid_from].type), null()]
        if self.history.is_current is not None:
            names.append(self.history.is_current)
            values.append(literal(True))
        return changed_rows(self.connection, insert(self.target).from_select(names, select(*values)))

    def _chain(self) -> None:
        """Every version of the things that were staged ends where the next one begins."""
        version = self.target.alias("version")
        key = [version.c[name] for name in self.contract.primary_key]
        following = func.lead(version.c[self.history.valid_from]).over(
            partition_by=[version.c[name] for name in self.history.key], order_by=version.c[self.history.valid_from]
        )
        chained = select(*key, following.label("ends")).subquery("chained")
        same = and_(*(self.target.c[name] == chained.c[name] for name in self.contract.primary_key))
        values: dict[str, Any] = {self.history.valid_to: chained.c.ends}
        if self.history.is_current is not None:
            values[self.history.is_current] = chained.c.ends.is_(None)
        moved = self.target.c[self.history.valid_to].is_distinct_from(chained.c.ends)
        if self.history.is_current is not None:
            moved = moved | self.target.c[self.history.is_current].is_distinct_from(chained.c.ends.is_(None))
        self.connection.execute(update(self.target).values(values).where(same, moved))

    @property
    def _tracked(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in self.history.key)

    def _is_open(self, table: FromClause) -> ColumnElement[bool]:
        return table.c[self.history.valid_to].is_(None)

    def _same_thing(self, left: FromClause, right: FromClause) -> ColumnElement[bool]:
        pair = tuple_(*(left.c[name] for name in self.history.key))
        return pair == tuple_(*(right.c[name] for name in self.history.key))
