"""What a person names to infer a contract from: tables of a database, files of data, or a file of SQL.

`schema` and `schema.table` are of the default connection, `connection:schema.table` of another one; what has a folder,
a pattern or a known ending is a file. What could be either is refused with both ways to say it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.infer.files_bytes import plain_suffix
from groundwork.infer.files_names import table_name
from groundwork.infer.files_paths import FORMATS
from groundwork.model.errors import ConfigError

_SQL = ".sql"
_PART = r'(?:"((?:[^"]|"")+)"|([^".:/\\\s]+))'
_TABLE = re.compile(rf"(?:([A-Za-z0-9_.-]+):)?{_PART}(?:\.{_PART})?")
_WILD = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """Files of data, each a path or a pattern as it was named."""

    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SqlSource:
    """One file of SQL."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class DatabaseSource:
    """A schema of a database, or only `tables` of it; without `connection` of the default one."""

    connection: str | None
    schema: str
    tables: tuple[str, ...] | None = None


Source = FileSource | SqlSource | DatabaseSource


def parse_sources(texts: Sequence[str]) -> Source:
    """What `texts` name together.

    Raises: ConfigError when a text can mean two things or none, and when the texts are not all of one kind.
    """
    if not texts:
        raise ConfigError("nothing is named", expected="a schema, a table, or files", found="no source")
    parsed = [_looked_for(text) for text in texts]
    kinds = {type(each) for each in parsed}
    if len(kinds) > 1:
        raise ConfigError(
            "the sources are of several kinds",
            expected="tables of one schema, files of data, or one file of SQL",
            found=", ".join(texts),
            next_step="infer from one kind after the other",
        )
    if isinstance(parsed[0], FileSource):
        return FileSource(paths=tuple(texts))
    if isinstance(parsed[0], SqlSource):
        if len(parsed) > 1:
            raise ConfigError(
                "several files of SQL are named",
                expected="one file of SQL",
                found=", ".join(texts),
                next_step=f"cat {' '.join(texts)} > all.sql, in the order in which they are to be read",
            )
        return parsed[0]
    return _together([each for each in parsed if isinstance(each, DatabaseSource)], texts)


def suggested_domain(source: Source) -> str:
    """The domain's name when nobody says one: the schema's, that of the file of SQL, or that of the files' folder."""
    if isinstance(source, DatabaseSource):
        return table_name(Path(source.schema))
    if isinstance(source, SqlSource):
        return table_name(source.path)
    return table_name(Path(Path(source.paths[0]).absolute().parent.name or "files"))


def _looked_for(text: str) -> Source:
    try:
        return _parsed(text)
    except (OSError, ValueError) as error:  # a name that no file can have, a folder that nobody may look into
        raise ConfigError(
            "nobody can look for this file",
            where=repr(text[:200]),
            expected="a path that can be read",
            found=getattr(error, "strerror", None) or error,
            next_step="correct the path, or look who may read it",
        ) from error


def _parsed(text: str) -> Source:
    if "://" in text:
        raise ConfigError(
            "an address is no source, because it would put a password into the shell's history",
            expected="files, or a schema by the id of an Airflow connection",
            found=f"{text.partition('://')[0]}://…",
            next_step="airflow connections add NAME --conn-uri …, then groundwork infer NAME:SCHEMA; or fetch the file",
        )
    path = Path(text)
    has_colon = ":" in text and not path.exists()
    if not has_colon and _is_file_name(path, text):
        return _of_path(path, text)
    found = _TABLE.fullmatch(text)
    if found is None:
        raise ConfigError(
            "this names neither a schema nor a file",
            expected='schema, schema.table, connection:schema.table (a name with signs in "…"), or a path',
            found=repr(text[:200]),
            next_step=f"write './{text[:200]}' when it is a file",
        )
    if path.exists():
        raise ConfigError(
            "this can be a schema or what lies here under this name",
            where=str(path.absolute()),
            expected="a source that means one thing",
            found=text,
            next_step=f"write warehouse:{text} for the schema, './{text}{'/*.csv' if path.is_dir() else ''}' for files",
        )
    connection, quoted_schema, schema, quoted_table, table = found.groups()
    named = table or (quoted_table.replace('""', '"') if quoted_table else None)
    return DatabaseSource(
        connection=connection,
        schema=schema or quoted_schema.replace('""', '"'),
        tables=(named,) if named else None,
    )


def _is_file_name(path: Path, text: str) -> bool:
    suffix = plain_suffix(path)
    return suffix == _SQL or suffix in FORMATS or "/" in text or bool(_WILD & set(text))


def _of_path(path: Path, text: str) -> Source:
    if plain_suffix(path) != _SQL:
        path.exists()  # tells what is wrong with the name before it is looked for among others
        return FileSource(paths=(text,))
    if not path.exists() and _WILD & set(text):
        start = Path(path.anchor)
        found = sorted(start.glob(str(path.relative_to(start))))
        if len(found) != 1:
            raise ConfigError(
                "several files of SQL match" if found else "there is no such file",
                where=text,
                expected="one file of SQL",
                found=", ".join(map(str, found[:5])) or "nothing",
                next_step="name one file; several can be joined: cat a.sql b.sql > all.sql",
            )
        path = found[0]
    if not path.is_file():
        raise ConfigError(
            "there is no such file",
            where=text,
            expected="a file of SQL",
            found="a folder" if path.is_dir() else "nothing",
            next_step="correct the path",
        )
    return SqlSource(path=path)


def _together(sources: Sequence[DatabaseSource], texts: Sequence[str]) -> DatabaseSource:
    places = {(source.connection, source.schema) for source in sources}
    if len(places) > 1:
        raise ConfigError(
            "a contract is of one schema",
            expected="tables of one schema of one database",
            found=", ".join(texts),
            next_step="infer one schema after the other",
        )
    whole = [source for source in sources if source.tables is None]
    if whole:
        return whole[0]
    names = [name for source in sources for name in source.tables or ()]
    return DatabaseSource(
        connection=sources[0].connection, schema=sources[0].schema, tables=tuple(dict.fromkeys(names))
    )
