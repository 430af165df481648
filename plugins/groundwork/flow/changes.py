"""Changed rows of chosen tables, told to subscribers the moment they are committed.

Statement triggers write the key of every changed row into the outbox `groundwork_flow.change` in the same transaction,
and a notification with the transaction's id wakes subscribers, who then read the rows. The outbox is the truth and the
notification only the bell: who was away reads on from the last change it saw. Costs one outbox row per changed row, so
it is meant for tables that change by hand or by the thousand, not for bulk loads of history.

Change ids grow in the order of writing, not of committing: a subscriber that starts from an id may miss a change whose
transaction was still open at that moment; live subscribers miss nothing.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import URL, Connection, delete, func, make_url, select, text

from groundwork.contracts.contract import TableContract
from groundwork.flow import ledger
from groundwork.flow.faults import database_faults
from groundwork.flow.ledger import CHANGE
from groundwork.flow.staging import driver_connection
from groundwork.model.errors import ConfigError

CHANNEL = "groundwork_change"
_REMEMBERED = 10_000  # ids of changes that were told, so that a bell that rings twice tells once
_OPERATIONS = {"insert": "NEW", "update": "NEW", "delete": "OLD"}  # with the transition table that holds the keys
_FUNCTION = """
CREATE OR REPLACE FUNCTION groundwork_flow.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO groundwork_flow.change (transaction_id, schema_name, table_name, key, operation, changed_at)
  SELECT pg_current_xact_id()::text, TG_TABLE_SCHEMA, TG_TABLE_NAME,
         (SELECT jsonb_object_agg(name, to_jsonb(row_of) -> name) FROM unnest(TG_ARGV) AS name),
         lower(TG_OP), clock_timestamp()
  FROM changed AS row_of;
  IF FOUND THEN
    PERFORM pg_notify('groundwork_change', json_build_object(
      'transaction_id', pg_current_xact_id()::text, 'schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME)::text);
  END IF;
  RETURN NULL;
END $$
"""


@dataclass(frozen=True, kw_only=True)
class ChangeEvent:
    """One changed row; `key` is its primary key, `operation` insert, update or delete.

    `changed_at` is when the statement wrote it and `received_at` when the subscriber had it, both by the server's
    clock, so that their difference is a lag that no two clocks falsify. It includes the time until the commit.
    """

    change_id: int
    schema: str
    table: str
    key: Mapping[str, Any]
    operation: str
    changed_at: datetime
    received_at: datetime

    @property
    def lag_seconds(self) -> float:
        """From the statement to the subscriber."""
        return (self.received_at - self.changed_at).total_seconds()


def install(connection: Connection, table: TableContract, *, schema: str | None = None) -> bool:
    """Watch `table`; idempotent. True when it was not watched before.

    Raises: ConfigError when it has no primary key, by which its rows could be named.
    """
    if not table.primary_key:
        raise ConfigError(
            "changes of a table without primary key cannot be told",
            where=table.qualified_name,
            expected="a primary key",
            next_step="declare one in the contract",
        )
    ledger.ensure(connection)
    was_watched = is_installed(connection, table, schema=schema)
    cursor = driver_connection(connection).cursor()
    with cursor:
        cursor.execute(_FUNCTION)
        cursor.execute("REVOKE ALL ON FUNCTION groundwork_flow.record_change() FROM PUBLIC")
        for operation, rows in _OPERATIONS.items():
            cursor.execute(
                sql.SQL(
                    "CREATE OR REPLACE TRIGGER {trigger} AFTER {operation} ON {table} "
                    "REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT "
                    "EXECUTE FUNCTION groundwork_flow.record_change({key})"
                ).format(
                    trigger=sql.Identifier(_trigger(operation)),
                    operation=sql.SQL(operation.upper()),  # one of three words above
                    rows=sql.SQL(rows),  # one of two words above
                    table=sql.Identifier(schema or table.schema, table.name),
                    key=sql.SQL(", ").join(sql.Literal(name) for name in table.primary_key),
                )
            )
    return not was_watched


def uninstall(connection: Connection, table: TableContract, *, schema: str | None = None) -> None:
    """Stop watching `table`; what the outbox holds stays. Idempotent."""
    with driver_connection(connection).cursor() as cursor:
        for operation in _OPERATIONS:
            statement = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}")
            cursor.execute(
                statement.format(
                    sql.Identifier(_trigger(operation)), sql.Identifier(schema or table.schema, table.name)
                )
            )


def is_installed(connection: Connection, table: TableContract, *, schema: str | None = None) -> bool:
    """Whether all of the table's triggers are there and enabled."""
    query = text(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(format('%I.%I', CAST(:schema AS text), "
        "CAST(:name AS text))) AND tgname = ANY(:triggers) AND tgenabled <> 'D'"
    )
    names = {"schema": schema or table.schema, "name": table.name, "triggers": [_trigger(each) for each in _OPERATIONS]}
    return int(connection.scalar(query, names) or 0) == len(_OPERATIONS)


def prune(connection: Connection, older_than: timedelta) -> int:
    """Remove outbox rows older than that and return how many they were."""
    old = delete(CHANGE).where(CHANGE.c.changed_at < func.now() - older_than)
    return int(connection.execute(old).rowcount)


def latest_change(connection: Connection) -> int:
    """Id of the newest change; 0 when there is none."""
    return int(connection.scalar(select(func.coalesce(func.max(CHANGE.c.change_id), 0))) or 0)


class Subscription:
    """A listening connection of its own; use as a context manager, listening begins on entry.

    Raises: RetriableError when the connection cannot be made or is lost.
    """

    def __init__(self, url: URL | str, tables: Sequence[str] = ()) -> None:
        """`url` is an SQLAlchemy URL with its password; `tables` are `schema.table` names, all tables when empty."""
        self._url = make_url(url)
        self._tables = frozenset(tables)
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._waiting: deque[ChangeEvent] = deque()
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)

    def __enter__(self) -> Subscription:
        """Connect and listen."""
        with database_faults(CHANNEL):
            self._connection = psycopg.connect(
                host=self._url.host,
                port=self._url.port,
                user=self._url.username,
                password=str(self._url.password) if self._url.password is not None else None,
                dbname=self._url.database,
                application_name="groundwork:changes",
                connect_timeout=10,
                autocommit=True,
                row_factory=dict_row,
            )
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def events(self, timeout_seconds: float, *, after: int | None = None) -> Iterator[ChangeEvent]:
        """Changes as they are committed, until none came for `timeout_seconds`; first those with an id above `after`.

        Each change comes once, also over several calls.
        """
        if after is not None:
            with database_faults(CHANNEL):
                self._read(_READ_AFTER, {"after": after})
        deadline = time.monotonic() + timeout_seconds
        while True:
            while self._waiting:
                yield self._waiting.popleft()
                deadline = time.monotonic() + timeout_seconds
            left = deadline - time.monotonic()
            if left <= 0:
                return
            with database_faults(CHANNEL):
                self._hear(left)

    def _hear(self, timeout_seconds: float) -> None:
        """Wait for the bell, then read what it rang for."""
        rung = list(self._listening().notifies(timeout=timeout_seconds, stop_after=1))
        for transaction_id in dict.fromkeys(json.loads(each.payload)["transaction_id"] for each in rung):
            self._read(_READ_TRANSACTION, {"transaction_id": transaction_id})

    def _read(self, query: str, values: Mapping[str, Any]) -> None:
        for row in self._listening().execute(query, values).fetchall():
            is_wanted = not self._tables or f"{row['schema']}.{row['table']}" in self._tables
            if is_wanted and row["change_id"] not in self._seen:
                self._seen.append(row["change_id"])
                self._waiting.append(ChangeEvent(**row))

    def _listening(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None:
            raise RuntimeError("the subscription is used outside of its `with` block")
        return self._connection


_READ = (
    "SELECT change_id, schema_name AS schema, table_name AS table, key, operation, changed_at, "
    "clock_timestamp() AS received_at FROM groundwork_flow.change WHERE "
)
_READ_AFTER = _READ + "change_id > %(after)s ORDER BY change_id"
_READ_TRANSACTION = _READ + "transaction_id = %(transaction_id)s ORDER BY change_id"


def subscribe(
    url: URL | str, tables: Sequence[str] = (), *, timeout_seconds: float = 60, after: int | None = None
) -> Iterator[ChangeEvent]:
    """Changes of `tables` (`schema.table`, all when empty) until none came for `timeout_seconds`.

    Listening begins with the first `next()`; where that matters, use `Subscription`. Raises: RetriableError when the
    connection is lost.
    """
    with Subscription(url, tables) as subscription:
        yield from subscription.events(timeout_seconds, after=after)


def _trigger(operation: str) -> str:
    return f"groundwork_{operation}_change"
