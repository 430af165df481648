"""What a contract declares of a stream: `source: {kind: stream, connection, table, apply, delete, …}`.

Tables of a domain that name the same connection make one stream: they share a slot, and a transaction of the source
that touches several of them is applied in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.read import SUFFIX, read_domain
from groundwork.flow.capture.event import Way
from groundwork.flow.loads.order import load_levels
from groundwork.flow.source import fillable
from groundwork.model.errors import ConfigError, GroundworkError

KIND = "stream"
_WORD = re.compile(rb"kind['\"]?\s*:\s*['\"]?stream\b")
LIMIT_BYTES = 1 << 30  # log or outbox that a silent consumer may keep: 1 GiB
SILENT_SECONDS = 86_400.0  # a consumer that was not seen for a day is given up
_FACTS = ("operation", "committed_at", "transaction", "number")
_Word = TypeVar("_Word", bound=StrEnum)


class Apply(StrEnum):
    """How changes are written."""

    MERGE = "merge"  # the table becomes what the source is, by key
    APPEND = "append"  # each change is one more row


class OnDelete(StrEnum):
    """What a deletion in the source does."""

    DELETE = "delete"
    MARK = "mark"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class StreamTable:
    """One table that is kept by a stream.

    `columns` is target column → source column; `mark` the column that tells that a row is gone (boolean, or a
    timestamp); `facts` is fact of the change (`operation`, `committed_at`, `transaction`, `number`) → target column.
    """

    contract: TableContract
    source_schema: str
    source_table: str
    columns: Mapping[str, str]
    apply: Apply = Apply.MERGE
    on_delete: OnDelete = OnDelete.DELETE
    mark: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """`schema.table` in the source."""
        return f"{self.source_schema}.{self.source_table}"

    @property
    def name(self) -> str:
        """`schema.table` of the target."""
        return self.contract.qualified_name

    @property
    def source_key(self) -> tuple[str, ...]:
        """The source's columns that fill the target's primary key, in its order; empty when not all are filled."""
        found = [self.columns.get(name) for name in self.contract.primary_key]
        return tuple(name for name in found if name) if all(found) else ()


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The tables of one domain that one connection feeds, parents before children."""

    domain: str
    connection: str
    tables: tuple[StreamTable, ...]
    way: Way | None = None
    limit_bytes: int = LIMIT_BYTES
    silent_seconds: float = SILENT_SECONDS

    @property
    def sources(self) -> dict[str, StreamTable]:
        """`schema.table` in the source → the first table that it feeds."""
        return {table.source: table for table in reversed(self.tables)}

    @property
    def name(self) -> str:
        """`domain.connection`."""
        return f"{self.domain}.{self.connection}"


def is_stream(table: TableContract) -> bool:
    """Whether the table's source is a stream."""
    return (table.source or {}).get("kind") == KIND


def declared_streams(domain: Domain) -> tuple[Stream, ...]:
    """The streams of a domain by name of their connection. Raises: ConfigError when one cannot work as declared."""
    ordered = _ordered(domain)
    for table in ordered:
        _text(table, "connection")
    return tuple(_stream(domain.name, name, tables) for name, tables in _by_connection(ordered).items())


def declared_stream(domain: Domain, connection: str) -> Stream:
    """The stream of a domain from this connection; others may be broken. Raises: ConfigError when there is none."""
    found = _by_connection(_ordered(domain))
    if connection in found:
        return _stream(domain.name, connection, found[connection])
    raise ConfigError(
        "no table of the domain is fed by a stream from this connection",
        where=f"domain {domain.name}",
        expected=", ".join(found) or "a source of kind `stream`",
        found=connection,
        next_step="declare `source: {kind: stream, connection: …, table: …}` in a contract",
    )


def _ordered(domain: Domain) -> list[TableContract]:
    """The tables of all streams, parents before children."""
    return [table for level in load_levels(domain) for table in level if is_stream(table)]


def _by_connection(tables: Iterable[TableContract]) -> dict[str, list[TableContract]]:
    """Connection → its tables, in order of name; a table that names none is in no stream."""
    found: dict[str, list[TableContract]] = {}
    for table in tables:
        name = (table.source or {}).get("connection")
        if isinstance(name, str) and name:
            found.setdefault(name, []).append(table)
    return dict(sorted(found.items()))


def _stream(domain: str, connection: str, tables: list[TableContract]) -> Stream:
    options = [table.source or {} for table in tables]
    ways = {str(each["way"]) for each in options if "way" in each}
    if len(ways) > 1 or not ways <= {*Way}:
        raise _wrong(tables[0], "way", " or ".join(Way) + ", the same for all tables", ", ".join(sorted(ways)))
    return Stream(
        domain=domain,
        connection=connection,
        tables=tuple(_stream_table(table) for table in tables),
        way=Way(ways.pop()) if ways else None,
        limit_bytes=min(int(_number(table, "limit_bytes", LIMIT_BYTES)) for table in tables),
        silent_seconds=min(_number(table, "silent_seconds", SILENT_SECONDS) for table in tables),
    )


def _stream_table(table: TableContract) -> StreamTable:
    options = table.source or {}
    schema, _, name = _text(table, "table").rpartition(".")
    apply = _word(table, "apply", Apply, Apply.MERGE)
    default = OnDelete.DELETE if apply is Apply.MERGE else OnDelete.IGNORE
    facts = {str(fact): str(column) for fact, column in (options.get("facts") or {}).items()}
    mark = options.get("mark")
    own = {*facts.values(), *([str(mark)] if mark else [])}
    columns = options.get("columns") or {each.name: each.name for each in fillable(table) if each.name not in own}
    found = StreamTable(
        contract=table,
        source_schema=schema or "public",
        source_table=name,
        columns={str(column): str(filled) for column, filled in columns.items()},
        apply=apply,
        on_delete=_word(table, "delete", OnDelete, default),
        mark=str(mark) if mark else None,
        facts=facts,
    )
    _check(found)
    return found


def _check(found: StreamTable) -> None:
    table = found.contract
    for column in (*found.columns, *found.facts.values(), *([found.mark] if found.mark else [])):
        table.column(column)
    if not set(found.facts) <= set(_FACTS):
        raise _wrong(table, "facts", ", ".join(_FACTS), ", ".join(found.facts))
    if found.apply is Apply.MERGE and not found.source_key:
        raise _wrong(table, "columns", "a primary key whose columns the stream fills", ", ".join(found.columns))
    if (found.on_delete is OnDelete.MARK) != (found.mark is not None and found.apply is Apply.MERGE):
        raise _wrong(table, "mark", "a column exactly when `delete: mark` and `apply: merge`", found.mark)
    if found.mark and not table.column(found.mark).type.lower().startswith(("bool", "timestamp")):
        raise _wrong(table, "mark", "a column of type boolean or timestamp", table.column(found.mark).type)
    if found.apply is Apply.APPEND and found.on_delete is OnDelete.DELETE:
        raise _wrong(table, "delete", "ignore: rows that were appended are history", OnDelete.DELETE)


def _text(table: TableContract, name: str) -> str:
    found = (table.source or {}).get(name)
    if not isinstance(found, str) or not found:
        raise _wrong(table, name, "a name", found)
    return found


def _number(table: TableContract, name: str, default: float) -> float:
    found = (table.source or {}).get(name, default)
    if not isinstance(found, int | float) or isinstance(found, bool) or found <= 0:
        raise _wrong(table, name, "a number above 0", found)
    return found


def _word(table: TableContract, name: str, words: type[_Word], default: _Word) -> _Word:
    found = str((table.source or {}).get(name, default))
    if found not in {each.value for each in words}:
        raise _wrong(table, name, ", ".join(words), found)
    return words(found)


def _wrong(table: TableContract, name: str, expected: str, found: Any) -> ConfigError:
    return ConfigError(
        f"the stream's `{name}` is not one that works",
        where=table.qualified_name,
        expected=expected,
        found=found,
        next_step=f"correct `source.{name}` in the contract",
    )


@dataclass(frozen=True, kw_only=True)
class StreamDeclarations:
    """All streams below a folder of contracts, and what keeps others from being there.

    `broken` is domain, `domain.connection` or the table's name → error, for people.
    """

    streams: tuple[Stream, ...]
    broken: Mapping[str, str]


def stream_declarations(contracts: Path) -> StreamDeclarations:
    """Read all streams below a folder; only domains in whose files the word stands are parsed.

    What is broken takes only itself away: a contract its domain, a declaration the stream of its connection.
    """
    found: list[Stream] = []
    broken: dict[str, str] = {}
    for folder in sorted(each for each in contracts.iterdir() if each.is_dir()) if contracts.is_dir() else ():
        try:
            if any(_WORD.search(path.read_bytes()) for path in sorted(folder.glob(f"*{SUFFIX}"))):
                _read_streams(read_domain(folder.name, contracts), found, broken)
        except (GroundworkError, OSError) as error:
            broken[folder.name] = str(error)
    return StreamDeclarations(streams=tuple(found), broken=broken)


def _read_streams(domain: Domain, found: list[Stream], broken: dict[str, str]) -> None:
    ordered = _ordered(domain)
    for table in ordered:
        try:
            _text(table, "connection")
        except GroundworkError as error:
            broken[table.qualified_name] = str(error)
    for name, tables in _by_connection(ordered).items():
        try:
            found.append(_stream(domain.name, name, tables))
        except GroundworkError as error:
            broken[f"{domain.name}.{name}"] = str(error)
