"""A backup of a table put beside the table, never into it: a schema of its own with the rows as they were then.

The side table has the columns of the backup and no constraints; where the live table's column has another type now, it
is text. All of it comes in one transaction, or nothing does.
"""

# groundwork: allow-file raw_sql,own_session,direct_driver rows are copied by COPY; identifiers are quoted by the driver

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from groundwork.catalog.postgres_programs import run_program, server_programs
from groundwork.catalog.session import run
from groundwork.flow.driver import driver_connection
from groundwork.flow.quarantine.live_row import live_columns
from groundwork.model.errors import ConfigError, FatalError
from groundwork.orbt.backups.file import UNPACKED, BackupFile, stamp

PREFIX = "groundwork_restore_"
_MARK = "groundwork: a backup put beside its table"  # comment of our schemas; no other is ever dropped
_COPY = re.compile(rb'^COPY (?:"(?:[^"]|"")*"|[^\s"(])+ \((.*)\) FROM stdin;$')
_NAME = re.compile(r'"(?:[^"]|"")*"|[^,\s]+')
_END = b"\\.\n"
_CHUNK_BYTES = 1 << 20
_VERSION = text("SELECT current_setting('server_version_num')::int / 10000")
_COMMENT = text("SELECT obj_description(to_regnamespace(quote_ident(:name)), 'pg_namespace')")


def side_schema(backup: BackupFile, now: datetime) -> str:
    """The name of the schema that a restoration of this moment makes; within PostgreSQL's limit of 63 bytes."""
    moment = stamp(now).lower().replace(".", "")
    room = 63 - len(PREFIX) - len(moment) - 1
    return f"{PREFIX}{backup.table.encode()[:room].decode(errors='ignore')}_{moment}"


def restore_beside(engine: Engine, backup: BackupFile, schema: str, *, seconds: float) -> int:
    """Put a backup into a new schema of its database; returns its rows.

    Raises: ConfigError when the file is damaged or there are no programs; FatalError when other rows come out of it
    than went in; SQLAlchemyError when the role may not make a schema.
    """
    backup.require_whole()
    with engine.connect() as connection:
        version = max(int(connection.execute(_VERSION).scalar_one()), backup.server_version)
        application = str(connection.execute(text("SHOW application_name")).scalar_one())
    with tempfile.TemporaryDirectory(prefix=UNPACKED, dir=backup.path.parent) as folder:
        script = Path(folder) / "rows"
        options = ["--data-only", "--no-owner", f"--file={script}", str(backup.path)]
        run_program(
            server_programs(version),
            "pg_restore",
            options,
            engine.url,
            timeout_seconds=seconds,
            application=application,
        )
        with engine.connect() as connection, connection.begin():
            connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
            _make(connection, backup, schema)
            _fill(connection, backup, schema, script)
            return _counted(connection, backup, schema)


def drop_beside(connection: Connection, schema: str) -> bool:
    """Drop a schema that a restoration made; false when it is not there.

    Raises: ConfigError when it is not one of ours.
    """
    name = sql.Identifier(schema)
    if not connection.scalar(text("SELECT to_regnamespace(quote_ident(:name)) IS NOT NULL"), {"name": schema}):
        return False
    found = connection.scalar(_COMMENT, {"name": schema})
    if not schema.startswith(PREFIX) or found != _MARK:
        raise ConfigError(
            "this schema was not made by a restoration, so it is not dropped",
            where=schema,
            expected=f"a name that begins with {PREFIX}, and our comment",
        )
    run(connection, sql.SQL("DROP SCHEMA {} CASCADE").format(name).as_string())
    return True


def _make(connection: Connection, backup: BackupFile, schema: str) -> None:
    now = {column.name: column.type for column in live_columns(connection, backup.schema, backup.table)}
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind if now.get(name) == kind else "text"))
        for name, kind in backup.columns  # a type is only used as text of ours or of this server, never the file's
    ]
    name = sql.Identifier(schema)
    run(connection, sql.SQL("CREATE SCHEMA {}").format(name).as_string())
    run(connection, sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(_MARK)).as_string())
    place = sql.Identifier(schema, backup.table)
    run(connection, sql.SQL("CREATE TABLE {} ({})").format(place, sql.SQL(", ").join(columns)).as_string())


def _fill(connection: Connection, backup: BackupFile, schema: str, script: Path) -> None:
    known = {name for name, _ in backup.columns}
    place = sql.Identifier(schema, backup.table)
    with script.open("rb") as lines, driver_connection(connection).cursor() as cursor:
        for line in lines:
            found = _COPY.match(line.rstrip(b"\r\n"))
            if found is None:
                continue
            names = [_unquoted(name) for name in _NAME.findall(found[1].decode())]
            if set(names) - known:
                raise FatalError("the backup has columns that its manifest does not tell", where=str(backup.path))
            columns = sql.SQL(", ").join(map(sql.Identifier, names))
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(place, columns)) as copy:
                for chunk in _rows(lines):
                    copy.write(chunk)


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of one COPY in chunks, up to its end."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        if line == _END:
            break
        kept.append(line)
        size += len(line)
        if size > _CHUNK_BYTES:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _counted(connection: Connection, backup: BackupFile, schema: str) -> int:
    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, backup.table))
    rows = int(str(run(connection, count.as_string()).scalar_one()))
    if rows != backup.rows:
        raise FatalError(
            "other rows came out of the backup than went in",
            where=str(backup.path),
            expected=f"{backup.rows} rows",
            found=f"{rows}; the table beside was taken back",
        )
    return rows
