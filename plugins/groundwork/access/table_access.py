"""One table's reads and writes, each validated, each in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import ColumnElement, Connection, Select, Table, func, literal, null, or_, select, tuple_
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from groundwork.access.bulk import copy_rows
from groundwork.access.errors import FieldError, InvalidRowsError, RowNotFoundError, StaleRowError, translated
from groundwork.access.query import DEFAULT_LIMIT, Filter, ListQuery, next_cursor, page_plan, page_statement
from groundwork.access.relation import Key, Relation
from groundwork.access.rows import VERSION_LABEL, Page, Row, Upserted, row_of
from groundwork.access.session import Session
from groundwork.access.validation import RowRules
from groundwork.contracts.contract import RoleContract

_T = TypeVar("_T")
_ROWS_PER_STATEMENT = 500  # PostgreSQL takes 65,535 parameters per statement; a wide table has a hundred columns
Begin = Callable[[bool], AbstractContextManager[Connection]]


class Repository:
    """One table. Made by `Repositories`."""

    def __init__(
        self,
        relation: Relation,
        rules: RowRules,
        role: RoleContract | None,
        begin: Begin,
        session: Session | None = None,
    ) -> None:
        """`session` is null inside a transaction of the caller's, whose own connection `begin` then gives."""
        self.relation = relation
        self.session = session
        self._rules = rules
        self._role = role
        self._begin = begin
        self.masked = relation.masked_for(role.clearance if role else None)

    @property
    def source(self) -> Table:
        """What is read: the base table for the owner, the masked view for a role."""
        return self.relation.base if self._role is None else self.relation.view

    @property
    def access(self) -> str:
        """What statements depend on besides the table: the role, or empty for the owner."""
        return self._role.name if self._role else ""

    @contextmanager
    def begin(self, *, read_only: bool = False) -> Iterator[Connection]:
        """The transaction of one call, with the driver's errors turned into this room's."""
        with self.told_apart(), self._begin(read_only) as connection:
            yield connection

    @contextmanager
    def told_apart(self) -> Iterator[None]:
        """Turn the driver's errors of the block into this room's, about this table."""
        try:
            yield
        except (DBAPIError, psycopg.Error, PoolTimeout) as error:
            raise translated(error, self.relation.contract) from error

    def get(self, key: Key) -> Row | None:
        """The row with this key (a value, or values in key order), or null when there is none."""
        wanted = self.relation.key_values(key)
        with self.begin(read_only=True) as connection:
            return self._one(connection, wanted)

    def list(
        self,
        filters: Sequence[Filter] = (),
        *,
        order: Sequence[str] = (),
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page:
        """One page in the given order (primary key when none is given).

        Raises: InvalidQueryError for unknown columns, filters, values or cursors; AccessRefusedError for masked ones.
        """
        query = ListQuery(filters=tuple(filters), order=tuple(order), limit=limit, cursor=cursor)
        shape, values = page_plan(self.relation, query, self.masked)
        statement = page_statement(self.relation, self.source, shape, self._columns())
        with self.begin(read_only=True) as connection:
            found = [row_of(each) for each in connection.execute(statement, values).mappings()]
        has_more, rows = len(found) > limit, found[:limit]
        return Page(rows=tuple(rows), cursor=next_cursor(shape.order, rows[-1]) if has_more else None)

    def pages(self, filters: Sequence[Filter] = (), *, limit: int = DEFAULT_LIMIT) -> Iterator[Row]:
        """Every row that meets the filters, in order of the primary key, read page by page."""
        cursor = None
        while True:
            page = self.list(filters, limit=limit, cursor=cursor)
            yield from page.rows
            cursor = page.cursor
            if cursor is None:
                return

    def insert(self, rows: Sequence[Mapping[str, object]]) -> tuple[Row, ...]:
        """Add rows and return them as the server stored them, in the order given; all or none.

        Raises: InvalidRowsError, DuplicateRowError, MissingReferenceError, AccessRefusedError.
        """
        checked = self._rules.for_insert(rows)
        with self.begin() as connection:
            keys = dict(pair for group in _same_columns(checked) for pair in self._insert(connection, group))
            return self._many(connection, [keys[position] for position in range(len(checked))])

    def bulk_insert(self, rows: Iterable[Mapping[str, object]], *, batch_rows: int = 5000) -> int:
        """Add many rows by COPY in one transaction and return their number; all or none.

        Rows stream: at most `batch_rows` are held. Raises as `insert` does; row numbers count from the first row.
        """
        with self.begin() as connection:
            return copy_rows(connection, self.relation, self._rules, rows, batch_rows)

    def upsert(self, rows: Sequence[Mapping[str, object]]) -> Upserted:
        """Insert the rows, or change those whose key exists; a row that is there as given is not touched.

        Raises: as `insert` does; InvalidRowsError also when two rows have one key.
        """
        checked = self._rules.for_insert(rows)
        self._refuse_repeated_keys(checked)
        with self.begin() as connection:
            groups = [[row for _, row in group] for group in _same_columns(checked)]
            written = sum(self._upsert(connection, chunk) for group in groups for chunk in _chunks(group))
        return Upserted(written=written, unchanged=len(checked) - written)

    def update(self, key: Key, changes: Mapping[str, object], *, expected_version: str | None) -> Row:
        """Change one row when it is still at `expected_version` (null: whatever it is at) and return it.

        Raises: RowNotFoundError, StaleRowError when somebody changed the row since, and as `insert` does.
        """
        wanted = self.relation.key_values(key)
        values = self._rules.for_update(changes)
        statement = self.relation.base.update().where(self._at(wanted, expected_version))
        with self.begin() as connection:
            changed = connection.execute(statement.values({**values, **self._moved_on()}))
            if not changed.rowcount:
                self._explain_missing(connection, wanted, expected_version)
            return self._required(connection, wanted)

    def delete(self, key: Key, *, expected_version: str | None = None) -> None:
        """Remove one row when it is still at `expected_version` (null: whatever it is at).

        Raises: RowNotFoundError, StaleRowError, MissingReferenceError when another row points here, AccessRefusedError.
        """
        wanted = self.relation.key_values(key)
        with self.begin() as connection:
            removed = connection.execute(self.relation.base.delete().where(self._at(wanted, expected_version)))
            if not removed.rowcount:
                self._explain_missing(connection, wanted, expected_version)

    def version_of(self, key: Mapping[str, Any]) -> ColumnElement[Any]:
        """The version of the row with this key (values or columns), as an expression beside what `source` gives.

        Null for a role that may not read the base table of a table without a version column.
        """
        relation = self.relation
        if self._role is None or (relation.version_column and relation.version_column not in self.masked):
            return relation.version(self.source)
        if relation.version_column is None and self._role.access == "write":
            return select(relation.version(relation.base)).where(relation.matches(key, relation.base)).scalar_subquery()
        return null()

    def _one(self, connection: Connection, key: Mapping[str, object]) -> Row | None:
        columns = [*self._columns(versioned=False), self.version_of(key).label(VERSION_LABEL)]
        statement = select(*columns).where(self.relation.matches(key, self.source))
        found = connection.execute(statement).mappings().first()
        return row_of(found) if found is not None else None

    def _required(self, connection: Connection, key: Mapping[str, object]) -> Row:
        found = self._one(connection, key)
        if found is None:
            raise self._not_found(key)
        return found

    def _columns(self, *, versioned: bool = True) -> Sequence[ColumnElement[Any]]:
        columns: list[ColumnElement[Any]] = [self.source.c[name] for name in self.relation.readable]
        if not versioned:
            return columns
        has_version = self._role is None or self.relation.version_column is not None
        return [*columns, (self.relation.version(self.source) if has_version else null()).label(VERSION_LABEL)]

    def _many(self, connection: Connection, keys: Sequence[tuple[object, ...]]) -> tuple[Row, ...]:
        """The rows with these keys, in their order."""
        names = self.relation.key
        if len(keys) == 1:
            return (self._required(connection, dict(zip(names, keys[0], strict=True))),)
        by_key: dict[tuple[object, ...], Row] = {}
        for chunk in _chunks(keys):
            wanted = tuple_(*[self.source.c[name] for name in names]).in_(chunk)
            found = connection.execute(select(*self._columns()).where(wanted)).mappings()
            by_key.update({tuple(each[name] for name in names): row_of(each) for each in found})
        return tuple(by_key[key] for key in keys)

    def _insert(
        self, connection: Connection, group: Sequence[tuple[int, dict[str, object]]]
    ) -> Sequence[tuple[int, tuple[object, ...]]]:
        base = self.relation.base
        statement = insert(base).returning(*[base.c[name] for name in self.relation.key], sort_by_parameter_order=True)
        stored = connection.execute(statement, [row for _, row in group]).all()
        return [(position, tuple(key)) for (position, _), key in zip(group, stored, strict=True)]

    def _upsert(self, connection: Connection, rows: Sequence[dict[str, object]]) -> int:
        statement = insert(self.relation.base).values(list(rows))
        return _row_count(connection, self._merging(statement, list(rows[0])))

    def upsert_from(self, connection: Connection, source: Select[Any], names: Sequence[str]) -> int:
        """Upsert checked rows that are on the server already: what `source` selects, as the columns `names`.

        Returns the number of rows that are new or really changed. `connection` must be the one of this transaction.
        """
        statement = insert(self.relation.base).from_select(list(names), source)
        return _row_count(connection, self._merging(statement, names))

    def _merging(self, statement: Insert, names: Sequence[str]) -> Insert:
        """The insertion of rows with these columns that changes those whose key is there, if they differ."""
        base, key = self.relation.base, self.relation.key
        changed = [name for name in names if name not in key and name != self.relation.version_column]
        if not changed:
            return statement.on_conflict_do_nothing(index_elements=list(key))
        given = statement.excluded
        return statement.on_conflict_do_update(
            index_elements=list(key),
            set_={**{name: given[name] for name in changed}, **self._moved_on()},
            where=or_(*[base.c[name].is_distinct_from(given[name]) for name in changed]),
        )

    def _at(self, key: Mapping[str, object], expected_version: str | None) -> ColumnElement[bool]:
        condition = self.relation.matches(key, self.relation.base)
        if expected_version is None:
            return condition
        return condition & (self.relation.version(self.relation.base) == literal(expected_version, sqltypes.Text))

    def _moved_on(self) -> dict[str, Any]:
        """The version column's new value: the present, and later than before even within one microsecond."""
        name = self.relation.version_column
        if name is None:
            return {}
        step = func.make_interval(0, 0, 0, 0, 0, 0, 0.000001)
        return {name: func.greatest(func.clock_timestamp(), self.relation.base.c[name] + step)}

    def _explain_missing(self, connection: Connection, key: Mapping[str, object], expected_version: str | None) -> None:
        current = self._one(connection, key)
        if current is None or expected_version is None:
            raise self._not_found(key)
        raise StaleRowError(
            "the row was changed since it was read",
            where=f"{self.relation.contract.qualified_name} {_shown(key)}",
            expected=f"version {expected_version[:50]}",
            found=f"version {current.version}",
            next_step="read the row again, decide again, then write with the new version",
        )

    def _not_found(self, key: Mapping[str, object]) -> RowNotFoundError:
        return RowNotFoundError(
            "no row has this key",
            where=self.relation.contract.qualified_name,
            expected="the key of a row",
            found=_shown(key),
            next_step="list the table to see its keys",
        )

    def _refuse_repeated_keys(self, rows: Sequence[Mapping[str, object]]) -> None:
        seen: dict[tuple[object, ...], int] = {}
        errors = []
        for number, row in enumerate(rows):
            key = tuple(row.get(name) for name in self.relation.key)
            if None not in key and seen.setdefault(key, number) != number:
                errors.append(
                    FieldError(
                        row=number,
                        column=", ".join(self.relation.key),
                        expected="each key once",
                        found=f"the key of row {seen[key]} again",
                        suggestion="keep one of the two rows",
                    )
                )
        if errors:
            raise InvalidRowsError(self.relation.contract.qualified_name, errors)


def _row_count(connection: Connection, statement: Insert) -> int:
    return int(connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount)


def _chunks(rows: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield list(rows[start : start + _ROWS_PER_STATEMENT])


def _same_columns(rows: Sequence[dict[str, object]]) -> list[list[tuple[int, dict[str, object]]]]:
    """Rows with their positions, grouped by the columns that they give, so that absent ones get their default."""
    groups: dict[tuple[str, ...], list[tuple[int, dict[str, object]]]] = {}
    for position, row in enumerate(rows):
        groups.setdefault(tuple(sorted(row)), []).append((position, row))
    return list(groups.values())


def _shown(key: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={str(value)[:60]}" for name, value in key.items())
