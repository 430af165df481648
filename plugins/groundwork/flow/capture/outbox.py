"""The outbox: statement triggers that write each changed row into `groundwork_flow.change`, in its own transaction.

Grain: `change` one row per changed row of a watched table; `change_commit` one per transaction with changes;
`change_reader` one per stream that reads. The outbox lives in the source's database. Its order is that of commits: the
number of a transaction is given at the last moment before it commits, and readers ask what became visible between two
snapshots, so that neither a late committer is missed nor an old open transaction holds anybody up.

It bounds itself: once `change` is larger than a reader's limit, nothing more is written, the readers are marked as lost
and begin anew with a snapshot. Rows of tables that are written by other replication (`session_replication_role`
replica) are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import UserDefinedType

from groundwork.contracts.contract import TableContract
from groundwork.flow.capture.outbox_functions import FUNCTIONS
from groundwork.flow.driver import driver_connection
from groundwork.flow.ledger_upgrade import missing_columns, upgrade
from groundwork.model.errors import ConfigError

SCHEMA = "groundwork_flow"
CHANNEL = "groundwork_change"
OUTBOX = MetaData(
    schema=SCHEMA, naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)
_LOCK = 5_201_823  # advisory lock of those who make the outbox; any fixed number of ours
_NOW = text("clock_timestamp()")


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`: transaction ids that never wrap around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name."""
        return "xid8"


CHANGE = Table(
    "change",
    OUTBOX,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("transaction_id", Text, nullable=False, comment="full transaction id of the change, as text"),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("key", JSONB, nullable=False, comment="primary key of the changed row; empty when all rows went"),
    Column("operation", Text, nullable=False, comment="insert, update, delete or truncate"),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("xid", TransactionId, comment="full transaction id; null in rows of an older version"),
    Column("names", ARRAY(Text), comment="names of the columns in `before` and `after`, in their order"),
    Column("before", Text, comment="the old row as PostgreSQL prints it, where the table is watched with images"),
    Column("after", Text, comment="the new row as PostgreSQL prints it, where the table is watched with images"),
    Index(None, "transaction_id"),
    Index(None, "changed_at"),
    Index(None, "xid"),
)
CHANGE_COMMIT = Table(
    "change_commit",
    OUTBOX,
    Column("xid", TransactionId, primary_key=True),
    Column("number", BigInteger, comment="order of commits, given right before the commit"),
    Column("committed_at", DateTime(timezone=True)),
    Index(None, "number"),
)
CHANGE_READER = Table(
    "change_reader",
    OUTBOX,
    Column("reader", Text, primary_key=True, comment="slot-like name of the stream"),
    Column("tables", ARRAY(Text), nullable=False, comment="schema.table of what it reads"),
    Column("done", Text, nullable=False, comment="snapshot up to which everything was applied"),
    Column("limit_bytes", BigInteger, nullable=False, comment="size of `change` beyond which the reader is given up"),
    Column("is_lost", Boolean, nullable=False, server_default=text("false")),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)
_OPERATIONS = {  # with the transition tables that hold the rows
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS was NEW TABLE AS changed",
    "delete": "REFERENCING OLD TABLE AS was",
    "truncate": "",
}


def ensure(connection: Connection) -> None:
    """Make the outbox where it is missing or of an older form; idempotent, safe at once."""
    if _is_current(connection):
        return
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if _is_current(connection):
        return
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    OUTBOX.create_all(connection)
    upgrade(connection, OUTBOX)
    connection.exec_driver_sql(f"CREATE SEQUENCE IF NOT EXISTS {SCHEMA}.change_commit_number")
    for statement in FUNCTIONS:
        driver_connection(connection).execute(statement)


def _is_current(connection: Connection) -> bool:
    made = connection.scalar(
        text(
            "SELECT to_regproc('groundwork_flow.capture_change') IS NOT NULL "
            "AND to_regclass('groundwork_flow.change_reader') IS NOT NULL"
        )
    )
    return bool(made) and not missing_columns(connection, OUTBOX)


def install(connection: Connection, table: TableContract, *, schema: str | None = None) -> bool:
    """Watch `table`, keys only; idempotent. True when it was not watched before.

    Raises: ConfigError when it has no primary key, by which its rows could be named.
    """
    was_watched = is_installed(connection, table, schema=schema)
    if not was_watched:
        watch(connection, schema or table.schema, table.name, table.primary_key, with_images=False)
    return not was_watched


def uninstall(connection: Connection, table: TableContract, *, schema: str | None = None) -> None:
    """Stop watching `table`; what the outbox holds stays. Idempotent."""
    unwatch(connection, schema or table.schema, table.name)


def is_installed(connection: Connection, table: TableContract, *, schema: str | None = None) -> bool:
    """Whether all of the table's triggers are there and enabled."""
    return is_watched(connection, schema or table.schema, table.name)


def watch(connection: Connection, schema: str, table: str, key: Sequence[str], *, with_images: bool) -> None:
    """Put the triggers on a table; `with_images` also keeps the whole rows, old and new.

    Waits for transactions that write to it, so that none of their changes is missed. Raises: ConfigError without key.
    """
    if not key:
        raise ConfigError(
            "changes of a table without primary key cannot be told",
            where=f"{schema}.{table}",
            expected="a primary key",
            next_step="declare one in the contract",
        )
    ensure(connection)
    arguments = ["images" if with_images else "keys", *key]
    with driver_connection(connection).cursor() as cursor:
        for operation, rows in _OPERATIONS.items():
            cursor.execute(
                sql.SQL(
                    "CREATE OR REPLACE TRIGGER {trigger} AFTER {operation} ON {table} {rows} FOR EACH STATEMENT "
                    "EXECUTE FUNCTION groundwork_flow.capture_change({arguments})"
                ).format(
                    trigger=sql.Identifier(_trigger(operation)),
                    operation=sql.SQL(operation.upper()),  # one of four words above
                    rows=sql.SQL(rows),  # as written above
                    table=sql.Identifier(schema, table),
                    arguments=sql.SQL(", ").join(sql.Literal(each) for each in arguments),
                )
            )


def unwatch(connection: Connection, schema: str, table: str) -> None:
    """Take the triggers away; streams that read the table begin anew. Idempotent."""
    there = text("SELECT to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text))) IS NOT NULL")
    if connection.scalar(there, {"schema": schema, "name": table}):
        with driver_connection(connection).cursor() as cursor:
            for operation in _OPERATIONS:
                statement = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}")
                cursor.execute(statement.format(sql.Identifier(_trigger(operation)), sql.Identifier(schema, table)))
    if _is_current(connection):
        lost = CHANGE_READER.update().where(CHANGE_READER.c.tables.contains([f"{schema}.{table}"]))
        connection.execute(lost.values(is_lost=True))


def is_watched(connection: Connection, schema: str, table: str, *, with_images: bool = False) -> bool:
    """Whether all triggers are there and enabled, and keep whole rows when that is asked for."""
    query = text(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(format('%I.%I', CAST(:schema AS text), "
        "CAST(:name AS text))) AND tgname = ANY(:triggers) AND tgenabled <> 'D' "
        "AND tgfoid = to_regproc('groundwork_flow.capture_change') "
        "AND (NOT :images OR encode(tgargs, 'escape') LIKE 'images%')"
    )
    names = {"schema": schema, "name": table, "triggers": [_trigger(each) for each in _OPERATIONS]}
    return int(connection.scalar(query, {**names, "images": with_images}) or 0) == len(_OPERATIONS)


def prune(connection: Connection, older_than: timedelta) -> int:
    """Remove outbox rows older than that, read or not, and return how many they were."""
    old = delete(CHANGE).where(CHANGE.c.changed_at < func.now() - older_than)
    removed = int(connection.execute(old).rowcount)
    orphaned = "DELETE FROM groundwork_flow.change_commit AS c WHERE c.committed_at < now() - :age AND NOT EXISTS ("
    orphaned += "SELECT FROM groundwork_flow.change AS ch WHERE ch.xid = c.xid)"
    connection.execute(text(orphaned), {"age": older_than})
    return removed


def latest_change(connection: Connection) -> int:
    """Id of the newest change; 0 when there is none."""
    return int(connection.scalar(select(func.coalesce(func.max(CHANGE.c.change_id), 0))) or 0)


def bookmark(connection: Connection) -> str:
    """The present moment, for `Subscription.events(after=...)`: what commits from now on comes after it."""
    return str(connection.scalar(text("SELECT pg_current_snapshot()::text")))


def _trigger(operation: str) -> str:
    return f"groundwork_{operation}_change"
