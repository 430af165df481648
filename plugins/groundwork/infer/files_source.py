"""A file in DuckDB: the rows as they stand in the file, one column per field, before anything is decided about types.

DuckDB works in a file of its own in a temporary folder, so that memory stays bounded whatever the size of the data. It
may neither reach the network nor install anything. Columns are called `c0`, `c1`, … there: no name of a file, a field
or a table is ever part of a statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

_MEMORY = "768MB"
_THREADS = 2


class Kind(StrEnum):
    """What a raw column is: text of a CSV, text of JSON values with their kinds, or values that have a type."""

    TEXT = "text"
    JSON = "json"
    TYPED = "typed"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a source; raw column `c<place>`, for JSON also `t<place>` with the kind of each value.

    `declared` is DuckDB's type of a typed column; its nested values are kept as JSON text.
    """

    name: str
    place: int
    kind: Kind
    declared: str = "VARCHAR"

    @property
    def raw(self) -> str:
        """The raw column."""
        return f"c{self.place}"


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """Rows of one source in DuckDB's table `name`; `obstacles` say why a load could not take the file as it is.

    `keys` are the words of a `source` that tell a load how the file is written, beside its place and format.
    """

    name: str
    rows: int
    fields: tuple[Field, ...]
    format: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    obstacles: tuple[str, ...] = ()
    is_complete: bool = True


@contextmanager
def workbench() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection over a temporary file, which is gone afterwards."""
    with TemporaryDirectory(prefix="groundwork-infer-") as folder:
        connection = duckdb.connect(
            str(Path(folder) / "infer.duckdb"),
            config={
                "memory_limit": _MEMORY,
                "threads": str(_THREADS),
                "temp_directory": folder,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        try:
            fetch(connection, "SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def sql(template: str, **parts: object) -> str:
    """The statement with its parts: names and expressions made in this room, and numbers. Values are parameters."""
    return template.format(**parts)


def fetch(connection: duckdb.DuckDBPyConnection, statement: str, parameters: list[Any] | None = None) -> list[Any]:
    """All rows of the statement's result, so that the connection is free for the next one."""
    return connection.execute(statement, parameters or []).fetchall()


def one_row(connection: duckdb.DuckDBPyConnection, statement: str, parameters: list[Any] | None = None) -> Any:
    """The only row of the statement's result."""
    return fetch(connection, statement, parameters)[0]
