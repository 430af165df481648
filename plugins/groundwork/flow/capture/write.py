"""The statements that bring folded changes into a target table, each one set-based and by key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from groundwork.contracts.contract import ColumnContract
from groundwork.contracts.derive.types import type_name
from groundwork.flow.capture.declaration import OnDelete, StreamTable
from groundwork.flow.capture.net import Key

_TOUCHED = "updated_at"  # set to the present when a row really changes and the stream does not fill it
_NO_EQUALITY = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle")


@dataclass(frozen=True, kw_only=True)
class Written:
    """Rows of the target that a statement touched."""

    loaded: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, kw_only=True)
class TargetTable:
    """Writes one table; `schema` is where it stands."""

    driver: psycopg.Connection[Any]
    table: StreamTable
    schema: str

    @property
    def _target(self) -> sql.Composed:
        return sql.SQL("{}").format(sql.Identifier(self.schema, self.table.contract.name))

    @property
    def _key(self) -> tuple[str, ...]:
        return self.table.contract.primary_key

    def upsert(self, staged: str, columns: Sequence[str]) -> Written:
        """Bring the rows of the temporary table `staged` in by key."""
        others = [name for name in columns if name not in self._key]
        statement = sql.SQL(
            "WITH done AS (INSERT INTO {target} AS t ({columns}) SELECT {values} FROM {staged} AS s "
            "ON CONFLICT ({key}) {action} RETURNING (t.xmax = 0) AS is_new) "
            "SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new), "
            "(SELECT count(*) FROM {staged}) FROM done"
        ).format(
            target=self._target,
            columns=_names(columns),
            values=sql.SQL(", ").join(sql.Identifier("s", name) for name in columns),
            staged=sql.Identifier(staged),
            key=_names(self._key),
            action=self._action(others),
        )
        loaded, updated, staged_rows = self.driver.execute(statement).fetchone() or (0, 0, 0)
        return Written(loaded=loaded, updated=updated, unchanged=staged_rows - loaded - updated)

    def append(self, staged: str, columns: Sequence[str]) -> Written:
        """Add the rows of `staged`; one whose key is there already is left as it is."""
        statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
            self._target, _names(columns), _names(columns), sql.Identifier(staged)
        )
        loaded = self.driver.execute(statement).rowcount
        count = self.driver.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(staged))).fetchone()
        return Written(loaded=loaded, unchanged=(count[0] if count else 0) - loaded)

    def remove(self, keys: Collection[Key], committed_at: Mapping[Key, Any]) -> int:
        """Delete or mark the rows of these keys, as declared; how many there were."""
        if not keys or self.table.on_delete is OnDelete.IGNORE:
            return 0
        given = sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in (*self._key, "at"))
        types = [(name, type_name(self._column(name))) for name in self._key]
        casts = sql.SQL(", ").join(
            sql.SQL("k.{}::{} AS {}").format(sql.Identifier(name), sql.SQL(kind), sql.Identifier(name))
            for name, kind in types
        )  # the type is compiled by SQLAlchemy from a known one
        gone = sql.SQL("(SELECT {}, k.gone_at::timestamptz FROM unnest({}) AS k ({}, gone_at)) AS g").format(
            casts, given, _names(self._key)
        )
        values = [[key[place] for key in keys] for place in range(len(self._key))]
        values.append([committed_at[key].isoformat() for key in keys])
        return self.driver.execute(self._removal(gone), values).rowcount

    def remove_all(self, moment: Any) -> int:
        """Delete or mark every row, as declared; how many there were."""
        if self.table.on_delete is OnDelete.IGNORE:
            return 0
        if self.table.on_delete is OnDelete.DELETE:
            return self.driver.execute(sql.SQL("DELETE FROM {}").format(self._target)).rowcount
        mark = sql.Identifier(str(self.table.mark))
        value = sql.SQL("true") if self._mark_is_boolean else sql.Literal(moment)
        statement = sql.SQL("UPDATE {} SET {} = {} WHERE {} IS NOT DISTINCT FROM {}")
        return self.driver.execute(statement.format(self._target, mark, value, mark, self._unmarked)).rowcount

    def remove_unseen(self, seen: str, moment: Any) -> int:
        """Delete or mark the rows whose key is not in the temporary table `seen`; how many there were."""
        if self.table.on_delete is OnDelete.IGNORE:
            return 0
        match = _match("s", "t", self._key)
        unseen = sql.SQL("NOT EXISTS (SELECT FROM {} AS s WHERE {})").format(sql.Identifier(seen), match)
        if self.table.on_delete is OnDelete.DELETE:
            deletion = sql.SQL("DELETE FROM {} AS t WHERE {}").format(self._target, unseen)
            return self.driver.execute(deletion).rowcount
        mark = sql.Identifier(str(self.table.mark))
        value = sql.SQL("true") if self._mark_is_boolean else sql.Literal(moment)
        statement = sql.SQL("UPDATE {} AS t SET {} = {} WHERE t.{} IS NOT DISTINCT FROM {} AND {}")
        return self.driver.execute(statement.format(self._target, mark, value, mark, self._unmarked, unseen)).rowcount

    def texts(self, keys: Iterable[Key], columns: Sequence[str]) -> dict[Key, tuple[str | None, ...]]:
        """The present values of columns, as text, of the rows of these keys that are there."""
        wanted = list(keys)
        types = [type_name(self._column(name)) for name in self._key]
        on = sql.SQL(" AND ").join(
            sql.SQL("t.{} = k.{}::{}").format(sql.Identifier(name), sql.Identifier(name), sql.SQL(kind))
            for name, kind in zip(self._key, types, strict=True)
        )
        statement = sql.SQL("SELECT {keys}, {values} FROM unnest({given}) AS k ({names}) JOIN {target} AS t ON {on}")
        found = self.driver.execute(
            statement.format(
                keys=sql.SQL(", ").join(sql.Identifier("k", name) for name in self._key),
                values=sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(name)) for name in columns),
                given=sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in self._key),
                names=_names(self._key),
                target=self._target,
                on=on,
            ),
            [[key[place] for key in wanted] for place in range(len(self._key))],
        )
        width = len(self._key)
        return {tuple(row[:width]): tuple(row[width:]) for row in found.fetchall()}

    def _removal(self, gone: sql.Composed) -> sql.Composed:
        match = _match("g", "t", self._key)
        if self.table.on_delete is OnDelete.DELETE:
            return sql.SQL("DELETE FROM {} AS t USING {} WHERE {}").format(self._target, gone, match)
        mark = sql.Identifier(str(self.table.mark))
        value = sql.SQL("true") if self._mark_is_boolean else sql.SQL("g.gone_at")
        statement = sql.SQL("UPDATE {} AS t SET {} = {} FROM {} WHERE {} AND t.{} IS NOT DISTINCT FROM {}")
        return statement.format(self._target, mark, value, gone, match, mark, self._unmarked)

    def _action(self, others: Sequence[str]) -> sql.Composed:
        if not others:
            return sql.SQL("DO NOTHING").format()
        sets = [sql.SQL("{n} = excluded.{n}").format(n=sql.Identifier(name)) for name in others]
        touched = [each for each in self.table.contract.columns if each.name == _TOUCHED and each.default is not None]
        if touched and _TOUCHED not in self.table.columns:
            sets.append(sql.SQL("{} = DEFAULT").format(sql.Identifier(_TOUCHED)))
        old = sql.SQL(", ").join(self._comparable("t", name) for name in others)
        new = sql.SQL(", ").join(self._comparable("excluded", name) for name in others)
        return sql.SQL("DO UPDATE SET {} WHERE ROW({}) IS DISTINCT FROM ROW({})").format(
            sql.SQL(", ").join(sets), old, new
        )

    def _comparable(self, alias: str, name: str) -> sql.Composed:
        kind = self._column(name).type.lower()
        has_none = kind != "jsonb" and kind.startswith(_NO_EQUALITY)
        return sql.SQL("{}::text" if has_none else "{}").format(sql.Identifier(alias, name))

    @property
    def present(self) -> str | None:
        """The mark of a row that is there, as text."""
        return "false" if self._mark_is_boolean else None

    @property
    def _unmarked(self) -> sql.SQL:
        return sql.SQL("false") if self._mark_is_boolean else sql.SQL("NULL::timestamptz")

    @property
    def _mark_is_boolean(self) -> bool:
        return self.table.mark is not None and self._column(self.table.mark).type.lower().startswith("bool")

    def _column(self, name: str) -> ColumnContract:
        return self.table.contract.column(name)


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _match(left: str, right: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names
    )
