"""Rows that stand in a table and should not, taken out of it into quarantine; nothing is ever deleted.

What is to go is marked first, each row with every reason, so that it can be counted and refused. Then rows leave their
tables and enter the quarantine by one statement per table, in the caller's transaction: a row is in one of the two
places at any time. The whole row is kept, each column as the server prints it. Each table gets books of its own (all
that was read went to quarantine) that are marked as a trial, because they are of no load: nobody takes them for the
table's last one. `groundwork.flow.quarantine.give_back` is the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import (
    Column,
    Connection,
    FromClause,
    MetaData,
    Select,
    Table,
    Text,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import OID

from groundwork.catalog.session import run
from groundwork.flow import ledger
from groundwork.flow.books import LoadResult, close_books, open_books
from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.loads.session import LOCK_SPACE
from groundwork.flow.quarantine.live_row import RowId, as_record, live_columns
from groundwork.flow.quarantine.row import ROW_MARK
from groundwork.flow.quarantine.turn import LOCK_SPACE as QUARANTINE_SPACE
from groundwork.flow.record import Reason
from groundwork.flow.statement import changed_rows
from groundwork.model.errors import RetriableError
from groundwork.model.vocabulary import WriteMode

KEY_MARK = "is_key_kept"  # key of a reason: another row of the same primary key stayed in the table
_MARKED = Table(
    "groundwork_marked",
    MetaData(),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("place", OID, nullable=False),  # the partition
    Column("row_id", RowId, nullable=False),
    Column("rule", Text, nullable=False),
    Column("column_name", Text),
    Column("message", Text, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


def lock(connection: Connection, tables: Sequence[tuple[str, str]], *, is_closed: bool = False) -> None:
    """Keep writers from these tables until the end, and readers too when they are to be closed.

    Waits as long as the session's `lock_timeout` says; loads and replays of the tables are not waited for.
    Raises: RetriableError when one is under way.
    """
    for schema, table in sorted(set(tables)):
        for space in (LOCK_SPACE, QUARANTINE_SPACE):
            taken = select(func.pg_try_advisory_xact_lock(space, func.hashtext(f"{schema}.{table}")))
            if not connection.scalar(taken):
                raise RetriableError(
                    "a load or a replay of this table is under way",
                    where=f"{schema}.{table}",
                    next_step="wait for its end",
                )
    names = sql.SQL(", ").join(sql.Identifier(*place) for place in sorted(set(tables)))
    mode = sql.SQL("ACCESS EXCLUSIVE" if is_closed else "SHARE ROW EXCLUSIVE")
    run(connection, sql.SQL("LOCK TABLE {} IN {} MODE").format(names, mode).as_string())


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """Rows on their way out; every method works in the transaction that `connection` is in.

    `run_id` is what the books know it by, `told` is where the rows come from, for people. At most `limit` rows are
    marked: one more is enough to know that there are too many. `keys` are the declared primary keys by schema and
    table: of each row is kept whether another one of its key stays.
    """

    connection: Connection
    run_id: str
    told: str
    limit: int
    keys: Mapping[tuple[str, str], Sequence[str]]

    def begin(self) -> None:
        """Make the list of marks, and the ledger where it is missing."""
        ledger.ensure(self.connection)
        _MARKED.create(self.connection)

    def mark(self, target: Table, rows: Select[Any], reason: Reason) -> int:
        """Mark rows (`tableoid`, `ctid`) of `target` with a reason, each once per reason; returns how many are new.

        `rows` may name a third column `message` that takes the place of the reason's own.
        """
        found = rows.limit(self.limit + 1).subquery("found")
        place, row_id = found.c.tableoid, found.c.ctid
        names = self._place(target)
        message = found.c.message if "message" in found.c else literal(reason.message, Text)
        known = select(literal(1)).where(
            *(_MARKED.c[name] == value for name, value in names.items()),
            _MARKED.c.place == place,
            _MARKED.c.row_id == row_id,
            _MARKED.c.rule == str(reason.rule),
            _MARKED.c.column_name.is_not_distinct_from(literal(reason.column, Text)),
        )
        values = select(
            *(literal(value, Text) for value in names.values()),
            place,
            row_id,
            literal(str(reason.rule), Text),
            literal(reason.column, Text),
            message,
        ).where(~known.exists())
        return changed_rows(self.connection, insert(_MARKED).from_select([each.name for each in _MARKED.c], values))

    def is_marked(self, target: FromClause, schema: str, table: str) -> Any:
        """The condition that a row of `target` is marked."""
        return (
            select(literal(1))
            .where(
                _MARKED.c.schema_name == schema,
                _MARKED.c.table_name == table,
                _MARKED.c.place == target.c.tableoid,
                _MARKED.c.row_id == target.c.ctid,
            )
            .exists()
        )

    def counts(self) -> dict[tuple[str, str], int]:
        """(schema, table) → rows that are marked."""
        row = func.row(_MARKED.c.place, _MARKED.c.row_id)
        place = (_MARKED.c.schema_name, _MARKED.c.table_name)
        found = self.connection.execute(select(*place, func.count(row.distinct())).group_by(*place))
        return {(str(each[0]), str(each[1])): int(each[2]) for each in found}

    def reasons(self) -> dict[str, int]:
        """`schema.table rule:column` → rows that are marked with it."""
        label = func.concat_ws(":", _MARKED.c.rule, _MARKED.c.column_name)
        place = func.concat(_MARKED.c.schema_name, ".", _MARKED.c.table_name, " ", label)
        found = self.connection.execute(select(place, func.count()).group_by(place).order_by(place))
        return {str(each[0]): int(each[1]) for each in found}

    def carry_out(self, order: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Take the marked rows out, table by table in this order; `schema.table` → rows.

        Raises: RetriableError when the server let not all of them go (a trigger or a rule kept one).
        """
        counts = self.counts()
        moved = {}
        for schema, table in order:
            expected = counts.get((schema, table), 0)
            if expected:
                moved[f"{schema}.{table}"] = self._take_out(schema, table, expected)
        return moved

    def _take_out(self, schema: str, table: str, expected: int) -> int:
        facts: dict[str, Any] = {
            "run_id": self.run_id,
            "source": self.told,
            "mode": str(WriteMode.MERGE),
            "is_trial": True,
        }
        load_id = open_books(self.connection, watermark={}, schema_name=schema, table_name=table, **facts)
        columns = [each for each in live_columns(self.connection, schema, table) if not each.is_generated]
        statement = _MOVE.format(
            marked=sql.Identifier(_MARKED.name),
            quarantine=sql.Identifier(str(QUARANTINE.schema), QUARANTINE.name),
            target=sql.Identifier(schema, table),
            raw=as_record(columns),
            schema=sql.Literal(schema),
            table=sql.Literal(table),
            load_id=sql.Literal(load_id),
            source=sql.Literal(self.told),
            row_mark=sql.Literal(ROW_MARK),
            key_mark=sql.Literal(KEY_MARK),
            is_key_kept=_is_key_kept(schema, table, self.keys.get((schema, table), ())),
        )
        moved = run(self.connection, statement.as_string()).rowcount
        if moved != expected:
            raise RetriableError(
                "not every row left its table",
                where=f"{schema}.{table}",
                expected=f"{expected} rows",
                found=f"{moved}; nothing was changed",
                next_step="look for a trigger or a policy on the table that keeps rows",
            )
        done: dict[str, Any] = {
            "read": moved,
            "quarantined": moved,
            "removed": moved,
            "loaded": 0,
            "updated": 0,
            "unchanged": 0,
        }
        name = f"{schema}.{table}"
        close_books(self.connection, LoadResult(load_id=load_id, table=name, duplicates=0, **facts, **done))
        return moved

    @staticmethod
    def _place(target: Table) -> dict[str, str]:
        return {"schema_name": str(target.schema), "table_name": target.name}


def _is_key_kept(schema: str, table: str, key: Sequence[str]) -> sql.Composable:
    """Whether another row of the key of `held` stays in the table."""
    if not key:
        return sql.SQL("false")
    same = sql.SQL(" AND ").join(
        sql.SQL("other.{name} = held.{name}").format(name=sql.Identifier(name)) for name in key
    )
    return sql.SQL(
        "EXISTS (SELECT FROM {target} AS other WHERE {same} AND NOT EXISTS (SELECT FROM {marked} AS mark WHERE "
        "mark.schema_name = {schema} AND mark.table_name = {table} AND mark.place = other.tableoid "
        "AND mark.row_id = other.ctid))"
    ).format(
        target=sql.Identifier(schema, table),
        same=same,
        marked=sql.Identifier(_MARKED.name),
        schema=sql.Literal(schema),
        table=sql.Literal(table),
    )


def books_of(connection: Connection, run_id: str) -> list[tuple[int, str, str]]:
    """(load id, schema, table) of what a withdrawal booked, in its order; empty when it never committed."""
    if not connection.scalar(select(func.to_regclass(ledger.LOAD.fullname).is_not(None))):
        return []
    books = ledger.LOAD.c
    query = select(books.load_id, books.schema_name, books.table_name).where(books.run_id == run_id, books.is_trial)
    return [(row[0], row[1], row[2]) for row in connection.execute(query.order_by(books.load_id))]


_MOVE = sql.SQL(
    """
    WITH chosen AS (
      SELECT place, row_id, jsonb_agg(jsonb_build_object(
               'rule', rule, 'column', column_name, 'message', message, {row_mark}, true
             ) ORDER BY rule, column_name) AS reasons
      FROM {marked} WHERE schema_name = {schema} AND table_name = {table} GROUP BY place, row_id
    ), gone AS (
      DELETE FROM {target} AS held USING chosen
      WHERE held.tableoid = chosen.place AND held.ctid = chosen.row_id
      RETURNING {raw} AS raw, chosen.reasons, {is_key_kept} AS is_key_kept
    )
    INSERT INTO {quarantine} (load_id, schema_name, table_name, source, position, raw, reasons)
    SELECT {load_id}, {schema}, {table}, {source}, row_number() OVER (), raw,
           CASE WHEN is_key_kept THEN (SELECT jsonb_agg(each || jsonb_build_object({key_mark}, true))
                                       FROM jsonb_array_elements(reasons) AS each) ELSE reasons END
    FROM gone
    """
)
