"""A copy of the domain's schemas in another database, made by a backup and its restoration."""

# groundwork: allow-file own_session,raw_sql,direct_driver a backup is compared with the live tables themselves

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from groundwork.catalog.postgres_programs import run_program, server_programs
from groundwork.catalog.session import run
from groundwork.model.errors import ConfigError

_APPLICATION = "groundwork:release"
Content = Mapping[str, tuple[int, str]]  # table → rows, sum of the rows' hashes
_TABLES = text(
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, 2"
)
_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'm')"
)


def size_bytes(connection: Connection, schemas: Sequence[str]) -> int:
    """What the tables of `schemas` take with their indexes, in bytes."""
    return int(connection.execute(_SIZE, {"schemas": list(schemas)}).scalar_one())


def content(connection: Connection, schemas: Sequence[str]) -> Content:
    """Each table's number of rows and the sum of hashes over their text; the order of rows does not matter."""
    found = {}
    schema: Any
    name: Any
    for schema, name in connection.execute(_TABLES, {"schemas": list(schemas)}).all():
        query = sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} AS t")
        row: Any = run(connection, query.format(sql.Identifier(schema, name)).as_string()).one()
        found[f"{schema}.{name}"] = (int(row[0]), str(row[1]))
    return found


@contextmanager
def frozen(engine: Engine) -> Iterator[tuple[Connection, str]]:
    """A connection that sees one state of the database, and the name by which a backup sees the same."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.execution_options(**options).connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL extra_float_digits = 1"))
        yield connection, str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())


def copy_schemas(
    source: Engine, snapshot: str, schemas: Sequence[str], target: Engine, *, timeout_seconds: float
) -> int:
    """Back up `schemas` as `snapshot` sees them and restore them into the empty database `target`; bytes of the file.

    Owners and grants stay behind: roles belong to a server, not to a backup of schemas.
    Raises: ConfigError when there are no programs for the server, or one of them fails; RetriableError when time is up.
    """
    with source.connect() as connection:
        size = size_bytes(connection, schemas)
        major = int(connection.execute(text("SELECT current_setting('server_version_num')")).scalar_one()) // 10_000
    folder = server_programs(major)
    with tempfile.TemporaryDirectory(prefix="groundwork-backup-") as place:
        free = shutil.disk_usage(place).free
        if free < size:
            raise ConfigError(
                "there is no room for the backup", where=place, expected=f"{size:,} bytes free", found=f"{free:,}"
            )
        file = Path(place) / "backup"
        chosen = [f'--schema="{name.replace(chr(34), chr(34) * 2)}"' for name in schemas]
        dump = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={file}", *chosen]
        run_program(folder, "pg_dump", dump, source.url, timeout_seconds=timeout_seconds, application=_APPLICATION)
        restore = ["--no-owner", "--no-privileges", "--exit-on-error", f"--dbname={target.url.database}", str(file)]
        run_program(
            folder, "pg_restore", restore, target.url, timeout_seconds=timeout_seconds, application=_APPLICATION
        )
        return file.stat().st_size
