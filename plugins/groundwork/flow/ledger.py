"""The ledger of flow in the warehouse: books of loads, watermarks and quarantined rows.

Grain: `load` one row per finished or stopped load; `watermark` one per table and group; `quarantine` one per rejected
record and load; `source_change` one per load that found its source in another form than declared; `staged` one per
part of a load that is on its way. It lives beside the data, not in the store, because only then can it commit with the
load. The database itself refuses books that do not balance.

`staged` and the tables of waiting rows are ordinary, logged ones: they survive a crash of the server, and PostgreSQL
18.4 could not start again when it crashed after a transaction that had made an unlogged table was taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateSchema

from groundwork.flow.ledger_upgrade import missing_columns, upgrade
from groundwork.model.vocabulary import WriteMode

SCHEMA = "groundwork_flow"
LEDGER = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)
_LOCK = 5_201_821  # advisory lock of those who make the ledger; any fixed number of ours
_MODES = ", ".join(f"'{mode}'" for mode in WriteMode)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _moment(name: str, *, nullable: bool = False) -> Column[Any]:
    default = None if nullable else text("clock_timestamp()")
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


LOAD = Table(
    "load",
    LEDGER,
    Column("load_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, nullable=False, comment="run that asked for the load, an Airflow run id as a rule"),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, nullable=False, comment="where the rows came from, for people"),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False, comment="finished; stopped: too many rows were broken, none was loaded"),
    Column("is_trial", Boolean, nullable=False, server_default=text("false"), comment="a drill, not data"),
    Column("read", BigInteger, nullable=False, server_default=text("0"), comment="records of the source"),
    _count("loaded"),
    _count("updated"),
    _count("unchanged"),
    _count("quarantined"),
    _count("duplicates"),
    Column("removed", BigInteger, nullable=False, server_default=text("0"), comment="rows that left the table"),
    Column("window_start", Text, comment="first value of the range that was asked for; null: open"),
    Column("window_end", Text, comment="end of the range, not part of it; null: open"),
    Column("late", BigInteger, nullable=False, server_default=text("0"), comment="of loaded: not above the watermark"),
    Column("watermark_before", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="group → value"),
    Column("watermark_after", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="group → value"),
    Column("checksum", Text, comment="SHA-256 of the source as it was read"),
    _moment("started_at"),
    _moment("finished_at", nullable=True),
    CheckConstraint(text("state IN ('running', 'finished', 'stopped')"), name="state"),
    CheckConstraint(text(f"mode IN ({_MODES})"), name="mode"),
    CheckConstraint(
        text("state <> 'finished' OR read = loaded + updated + unchanged + quarantined + duplicates"), name="balance"
    ),
    CheckConstraint(text("(state = 'running') = (finished_at IS NULL)"), name="finished"),
    Index(None, "schema_name", "table_name", "load_id"),
    Index(None, "run_id"),
)
WATERMARK = Table(
    "watermark",
    LEDGER,
    Column("schema_name", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("partition_key", Text, primary_key=True, comment="value of the group; empty when the table is one group"),
    Column("value", Text, nullable=False, comment="highest value loaded, as the column's type prints it"),
    Column("load_id", BigInteger, ForeignKey(LOAD.c.load_id), nullable=False),
    _moment("updated_at"),
    Index(None, "load_id"),
)
QUARANTINE = Table(
    "quarantine",
    LEDGER,
    Column("quarantine_id", BigInteger, Identity(always=True), primary_key=True),
    Column("load_id", BigInteger, ForeignKey(LOAD.c.load_id), nullable=False),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, comment="record of the source, the first record of data is 1"),
    Column("raw", JSONB, nullable=False, comment="field → text as the source had it"),
    Column("reasons", JSONB, nullable=False, comment="array of {rule, column, message}"),
    Column("is_trial", Boolean, nullable=False, server_default=text("false")),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=text("'held'"),
        comment="held; replayed: it is in the table now; dropped: a person gave it up; evidence: of a stopped load",
    ),
    Column("settled_by_load_id", BigInteger, ForeignKey(LOAD.c.load_id), comment="load that brought it in"),
    Column("dropped_by", Text, comment="who gave it up"),
    Column("dropped_because", Text, comment="why, in words of theirs"),
    _moment("dropped_at", nullable=True),
    _moment("created_at"),
    CheckConstraint(text("state IN ('held', 'replayed', 'dropped', 'evidence')"), name="state"),
    CheckConstraint(text("(state = 'dropped') = (dropped_at IS NOT NULL)"), name="dropped"),
    CheckConstraint(text("num_nulls(dropped_at, dropped_by, dropped_because) IN (0, 3)"), name="dropped_whole"),
    CheckConstraint(text("jsonb_typeof(reasons) = 'array' AND jsonb_array_length(reasons) > 0"), name="reasons"),
    Index(None, "load_id"),
    Index(None, "schema_name", "table_name", "quarantine_id"),
    Index(None, "settled_by_load_id"),
)
SOURCE_CHANGE = Table(
    "source_change",
    LEDGER,
    Column("source_change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("policy", Text, nullable=False, comment="freeze, evolve or quarantine"),
    Column(
        "added",
        JSONB,
        nullable=False,
        comment="array of {name, type}: fields that no column takes; with {column, declared} those that became one",
    ),
    Column("missing", JSONB, nullable=False, comment="array of names: fields that the contract expects"),
    Column("outcome", Text, nullable=False, comment="refused, quarantined, evolving (it is carried out) or evolved"),
    Column(
        "widened",
        JSONB,
        nullable=False,
        server_default=text("'[]'::jsonb"),
        comment="array of {name, column, from, to}: columns that got a wider type",
    ),
    Column("from_version", Text, comment="of the contract before it followed the source"),
    Column("to_version", Text, comment="of the contract that follows the source"),
    Column("migration_id", BigInteger, comment="number of the migration in the store"),
    Column("reason", Text, comment="why it was refused"),
    _moment("found_at"),
    Index(None, "schema_name", "table_name", "source_change_id"),
)
STAGED = Table(
    "staged",
    LEDGER,
    Column("schema_name", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("part", BigInteger, primary_key=True, autoincrement=False, comment="number of the part, 0 the first"),
    Column(
        "plan", Text, nullable=False, comment="digest of contract, source, range and parts; another plan starts anew"
    ),
    Column("description", Text, nullable=False, comment="the source of this part, for people"),
    Column("mark", JSONB, comment="behind which batch of the source to go on; null: from its beginning"),
    _count("read"),
    _count("rejected"),
    _count("outside"),
    _count("bytes_read"),
    Column("is_complete", Boolean, nullable=False, server_default=text("false")),
    Column("checksum", Text),
    _moment("started_at"),
    _moment("updated_at"),
)


def ensure(connection: Connection) -> None:
    """Make schema and tables of the ledger where they are missing or of an older form; idempotent, safe at once."""
    if _is_current(connection):
        return
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not _is_current(connection):
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        LEDGER.create_all(connection)
        upgrade(connection, LEDGER)


def latest_loads(connection: Connection, schema: str, *, is_trial: bool = False) -> list[Mapping[str, Any]]:
    """The newest finished load of each table of `schema`, in order of table name; columns of `load`."""
    if not _is_there(connection):
        return []
    query = (
        select(LOAD)
        .where(LOAD.c.schema_name == schema, LOAD.c.is_trial == is_trial)
        .distinct(LOAD.c.table_name)
        .order_by(LOAD.c.table_name, LOAD.c.load_id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def quarantined(connection: Connection, load_ids: Sequence[int], limit: int = 1000) -> list[Mapping[str, Any]]:
    """Rejected records of these loads in order of load and position; columns of `quarantine`.

    `raw` and the messages of `reasons` may hold personal data: show them only to those who may see restricted values.
    """
    if not load_ids or not _is_there(connection):
        return []
    query = (
        select(QUARANTINE)
        .where(QUARANTINE.c.load_id.in_(load_ids))
        .order_by(QUARANTINE.c.load_id, QUARANTINE.c.position)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def watermarks(connection: Connection, schema: str, table: str) -> dict[str, str]:
    """Group → highest value loaded of one table; empty when nothing was loaded."""
    query = select(WATERMARK.c.partition_key, WATERMARK.c.value).where(
        WATERMARK.c.schema_name == schema, WATERMARK.c.table_name == table
    )
    return {row.partition_key: row.value for row in connection.execute(query)}


def forget_trials(connection: Connection, schema: str) -> None:
    """Remove everything the ledger holds of trial loads into `schema`."""
    connection.execute(WATERMARK.delete().where(WATERMARK.c.schema_name == schema))
    connection.execute(QUARANTINE.delete().where(QUARANTINE.c.schema_name == schema, QUARANTINE.c.is_trial))
    connection.execute(LOAD.delete().where(LOAD.c.schema_name == schema, LOAD.c.is_trial))


def _is_current(connection: Connection) -> bool:
    return _is_there(connection) and not missing_columns(connection, LEDGER)


def _is_there(connection: Connection) -> bool:
    # The last table that `create_all` makes depends on none, so each is asked for.
    tables = [table.fullname for table in LEDGER.tables.values()]
    found = connection.execute(select(*(func.to_regclass(name).is_not(None) for name in tables))).one()
    return all(found)
