"""Backups of tables that contracts declare: one file per table, those of one run all of one state of the database.

A table that cannot be backed up does not keep the others from it; what failed is told. Owners and grants stay behind.
"""

# groundwork: allow-file raw_sql,own_session,direct_driver reads the catalogs and exports a snapshot

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.catalog.postgres_programs import run_program, server_programs
from groundwork.catalog.session import run
from groundwork.contracts.contract import TableContract
from groundwork.flow.quarantine.live_row import live_columns
from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.orbt.backups.file import (
    DUMP,
    PART,
    PRIVATE_FOLDER,
    BackupFile,
    folder_of,
    keep_file,
    prune,
    stamp,
)
from groundwork.orbt.backups.policy import BackupPolicy
from groundwork.orbt.redaction import redact
from groundwork.store.base import utc_now

_ABOUT = text("SELECT current_database(), current_setting('server_version_num')::int / 10000")
_LEAVES = text(  # pg_dump takes a partitioned table without its rows: those are in the leaves
    "SELECT n.nspname, c.relname, pg_total_relation_size(c.oid) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.oid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text))) OR c.oid IN "
    "(SELECT relid FROM pg_partition_tree(to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))))"
)
_LOCK_WAIT = "30s"


@dataclass(frozen=True, kw_only=True)
class BackupRun:
    """What one run made, and why what is missing is missing: `schema.table` → reason."""

    made: tuple[BackupFile, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"made": [each.to_json() for each in self.made], "failed": dict(self.failed)}


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """One state of the database, held open by `connection`, and the programs that can read it."""

    connection: Connection
    name: str
    database: str
    server_version: int
    programs: Path


def backup(
    engine: Engine,
    tables: Sequence[TableContract],
    *,
    place: Path,
    policy: BackupPolicy,
    now: datetime | None = None,
) -> BackupRun:
    """Back up tables as they all are at one moment; older files beyond the policy go.

    Raises: ConfigError when there are no programs for the server; SQLAlchemyError when the database cannot be reached.
    """
    made, failed = [], {}
    with _frozen(engine) as snapshot:
        moment = now or utc_now()
        for table in tables:
            try:
                made.append(_backed_up(engine, snapshot, table, place, policy, moment))
            except (GroundworkError, SQLAlchemyError, OSError) as error:
                failed[table.qualified_name] = " — ".join(redact(str(error)).split("\n"))
                if isinstance(error, SQLAlchemyError):
                    raise  # the snapshot is gone with its transaction
    return BackupRun(made=tuple(made), failed=failed)


@contextmanager
def _frozen(engine: Engine) -> Iterator[_Snapshot]:
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.execution_options(**options).connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # it waits for the programs
        row = connection.execute(_ABOUT).one()
        yield _Snapshot(
            connection=connection,
            name=str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()),
            database=str(row[0]),
            server_version=int(row[1]),
            programs=server_programs(int(row[1])),
        )


def _backed_up(
    engine: Engine, snapshot: _Snapshot, table: TableContract, place: Path, policy: BackupPolicy, now: datetime
) -> BackupFile:
    leaves = snapshot.connection.execute(_LEAVES, {"schema": table.schema, "table": table.name}).all()
    size = sum(int(row[2]) for row in leaves)
    folder = folder_of(place, snapshot.database, table.schema, table.name)
    _require_room(table, folder, size, policy, is_there=bool(leaves))
    told = _told(snapshot, table, folder / f"{stamp(now)}{DUMP}", size, now)
    part = told.path.with_suffix(PART)
    chosen = [f"--table={_pattern(str(row[0]), str(row[1]))}" for row in leaves]
    options = ["--format=custom", "--no-owner", "--no-privileges", "--encoding=UTF8"]
    options += [f"--lock-wait-timeout={_LOCK_WAIT}", f"--snapshot={snapshot.name}", f"--file={part}"]
    try:
        run_program(
            snapshot.programs,
            "pg_dump",
            [*options, *chosen],
            engine.url,
            timeout_seconds=policy.seconds,
            application="groundwork:backup",
        )
        kept = keep_file(part, told)
    finally:
        part.unlink(missing_ok=True)
    prune(folder, policy.keep, policy.seconds)
    return kept


def _require_room(table: TableContract, folder: Path, size: int, policy: BackupPolicy, *, is_there: bool) -> None:
    if not is_there:
        raise ConfigError("the table is not there", where=table.qualified_name, next_step="groundwork compare-to-db")
    if size > policy.most_bytes:
        raise ConfigError(
            "the table is larger than a backup of its own may be",
            where=table.qualified_name,
            expected=f"at most {policy.most_bytes:,} bytes (most_bytes of the policy)",
            found=f"{size:,}",
            next_step="back the whole server up, or raise the policy",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ConfigError(
            "there is no room for the backup", where=str(folder), expected=f"{size:,} bytes free", found=f"{free:,}"
        )


def _told(snapshot: _Snapshot, table: TableContract, path: Path, size: int, now: datetime) -> BackupFile:
    columns = live_columns(snapshot.connection, table.schema, table.name)
    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.schema, table.name))
    rows: Any = run(snapshot.connection, count.as_string()).scalar_one()
    return BackupFile(
        database=snapshot.database,
        schema=table.schema,
        table=table.name,
        taken_at=now,
        path=path,
        sha256="",
        file_bytes=0,
        table_bytes=size,
        rows=int(rows),
        columns=tuple((column.name, column.type) for column in columns if not column.is_generated),
        server_version=snapshot.server_version,
    )


def _pattern(schema: str, name: str) -> str:
    """A name as pg_dump's patterns take it for itself alone."""
    return ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in (schema, name))
