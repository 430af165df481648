"""From a source, whatever it is, to a proposed contract: the one way in for commands and tasks.

Owns what is asked of a source before anything is inferred: options that fit it, and content that can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from groundwork.infer.files_bytes import open_bytes
from groundwork.infer.files_paths import file_groups
from groundwork.infer.into import require_name
from groundwork.infer.profile import Proposal
from groundwork.infer.sources import FileSource, Source, SqlSource
from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection

DIALECTS = ("postgres", "mysql", "sqlite", "tsql", "oracle")
_MOST_SQL_BYTES = 256_000_000  # of one file of SQL, unpacked; it is read into memory


@dataclass(frozen=True, kw_only=True)
class InferOptions:
    """How to infer; each is for some kinds of sources, and refused for the others when it is not left as it is.

    `table` names the table of a file, `limit_rows` is rows per table of files, `dialect` that of SQL (PostgreSQL's when
    null), `profile` whether rows of a database are looked at, `accept_relationships` whether undeclared references
    found in them are declared.
    """

    table: str | None = None
    limit_rows: int | None = None
    dialect: str | None = None
    profile: bool = True
    accept_relationships: bool = False


def infer(
    source: Source,
    *,
    domain: str,
    project: Path,
    connect: Callable[[str | None], AbstractContextManager[Connection]],
    options: InferOptions | None = None,
) -> Proposal:
    """The proposed contract for `source`.

    `connect` gives a connection to the database of that Airflow connection id, the default one for null; it is called
    for databases and for SQL, which is tried there and undone. `project` is the folder that loads read files below.

    Raises: ConfigError for what cannot be inferred from, and for options that say nothing about this kind of source.
    """
    chosen = options or InferOptions()
    require_name(domain, "domain")
    _require_options(source, chosen)
    if isinstance(source, FileSource):
        found = _from_files(source, domain, project, chosen)
    elif isinstance(source, SqlSource):
        found = _from_sql(source, domain, connect, chosen)
    else:
        from groundwork.infer.database import infer_schema

        with connect(source.connection) as connection:
            found = infer_schema(
                connection,
                source.schema,
                tables=source.tables,
                domain=domain,
                profile=chosen.profile,
                accept_relationships=chosen.accept_relationships,
            )
    _require_tables(found)
    return found


def _require_options(source: Source, options: InferOptions) -> None:
    kind = "files" if isinstance(source, FileSource) else "SQL" if isinstance(source, SqlSource) else "databases"
    given = {
        "--table": (options.table is not None, "files"),
        "--limit-rows": (options.limit_rows is not None, "files"),
        "--dialect": (options.dialect is not None, "SQL"),
        "--no-profile": (not options.profile, "databases"),
        "--accept-relationships": (options.accept_relationships, "databases"),
    }
    for option, (is_given, meant) in given.items():
        if is_given and kind != meant:
            raise ConfigError(
                f"{option} says nothing here", expected=f"{option} with {meant}", found=kind, next_step="leave it away"
            )


def _from_files(source: FileSource, domain: str, project: Path, options: InferOptions) -> Proposal:
    from groundwork.infer.files import infer_files

    if options.table is not None:
        require_name(options.table, "table")
    for group in file_groups(source.paths, options.table):
        for path in group.paths:
            with open_bytes(path) as content:  # says why when the file cannot be read
                is_empty = not content.read(1)
            if is_empty:
                raise ConfigError(
                    "the file is empty",
                    where=str(path),
                    expected="a header or records",
                    found="0 bytes",
                    next_step="infer from a file that has records",
                )
    return infer_files(source.paths, domain=domain, table=options.table, limit_rows=options.limit_rows, project=project)


def _from_sql(
    source: SqlSource,
    domain: str,
    connect: Callable[[str | None], AbstractContextManager[Connection]],
    options: InferOptions,
) -> Proposal:
    dialect = options.dialect or DIALECTS[0]
    if dialect not in DIALECTS:
        raise ConfigError(
            "this dialect of SQL is not known",
            expected=", ".join(DIALECTS),
            found=dialect,
            next_step="name the nearest of them",
        )
    text = _sql_text(source.path)
    from groundwork.infer.ddl import infer_ddl

    with connect(None) as connection:
        return infer_ddl(connection, text, dialect=dialect, domain=domain, where=str(source.path))


def _sql_text(path: Path) -> str:
    """The file's SQL, also packed."""
    with open_bytes(path) as stream:
        content = stream.read(_MOST_SQL_BYTES + 1)
    if len(content) > _MOST_SQL_BYTES:
        raise ConfigError(
            "the file is too large for a description of tables",
            where=str(path),
            expected=f"at most {_MOST_SQL_BYTES:,} bytes",
            next_step="write it without the rows: pg_dump --schema-only",
        )
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the file is no text in UTF-8",
            where=f"{path}:{line}",
            expected="UTF-8",
            found=f"the byte {content[error.start]:#04x}",
            next_step="convert it, e.g. iconv -f latin1 -t utf-8",
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError(
            "the file is no SQL",
            where=f"{path}:{line}",
            expected="text",
            found="a NUL character",
            next_step="write a dump as text: pg_dump --format plain",
        )
    if not text.strip():
        raise ConfigError(
            "the file is empty",
            where=str(path),
            expected="CREATE TABLE …",
            found="nothing",
            next_step="name a file that describes tables",
        )
    return text


def _require_tables(proposal: Proposal) -> None:
    if not proposal.document.get("schema"):
        left_out = "; ".join(proposal.left_out[:5])
        raise ConfigError(
            "there is no table to propose a contract for",
            expected="at least one table",
            found=left_out or "none",
            next_step="name a schema, file or table that has something in it",
        )
