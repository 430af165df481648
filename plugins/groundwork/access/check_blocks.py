"""What the formats have in common: rows in blocks that can be looked at as a whole, or row by row.

A source cuts its input into blocks of bounded size. A block gives an Arrow table where its text is well formed, which
DuckDB reads through the source's `views`; and it gives any single row as a mapping for the row-wise rules. Rows are
numbered by whoever reads the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.types import TypeEngine

from groundwork.access.check_report import RowError
from groundwork.access.check_types import Kind
from groundwork.access.errors import FieldError
from groundwork.access.validation import Field, RowRules
from groundwork.access.values import Reader, reader_for

BLOCK_ROWS = 5000  # of rows that come one by one
RAW = "groundwork_raw"  # what DuckDB calls the block's table


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A record that is no row at all."""

    expected: str
    found: str
    suggestion: str


Given = Mapping[str, object] | Broken


@dataclass(frozen=True, kw_only=True)
class View:
    """One column of a block in DuckDB: its value as text, whether it is null, whether the row has it at all.

    `is_kind` says for kinds of values that a column takes whether this value is of one.
    """

    name: str
    text: Callable[[Field], ColumnElement[Any]]
    is_null: ColumnElement[bool]
    is_given: ColumnElement[bool]
    is_kind: Callable[[frozenset[Kind]], ColumnElement[bool]]


class Block(Protocol):
    """A bounded run of consecutive rows."""

    @property
    def count(self) -> int:
        """Rows, broken ones included."""

    @property
    def byte_count(self) -> int:
        """Bytes of input it was made from; 0 where nobody knows."""

    def table(self) -> Any | None:
        """The rows as an Arrow table called `RAW` in the source's views; null when they must be read one by one."""

    def row(self, index: int) -> Given:
        """One row, columns that are absent left out."""

    def line(self, index: int) -> int | None:
        """The line on which the row begins, from 1; null where there are no lines."""

    def lines(self) -> Sequence[int | None]:
        """The lines of all rows."""


class Source(Protocol):
    """Where the rows come from."""

    description: str
    format: str
    is_complete: bool

    def open(self, rules: RowRules) -> tuple[RowError, ...]:
        """Read as far as the names of the columns; returns what is wrong with the input as a whole."""

    def reader(self, kind: TypeEngine[Any]) -> Reader:
        """The reader of values of a type as this source gives them."""

    def views(self) -> tuple[FromClause, ColumnElement[bool], Sequence[View]]:
        """What DuckDB reads: the block's table, whether a record has the form of a row, and its columns."""

    def blocks(self) -> Iterator[Block]:
        """All rows from the first on, once."""


@dataclass(frozen=True, kw_only=True)
class RowBlock:
    """Rows that are there already, with the lines they begin on where there are any."""

    rows: Sequence[Given]
    starts: Sequence[int] | None = None
    byte_count: int = 0

    @property
    def count(self) -> int:
        """Rows, broken ones included."""
        return len(self.rows)

    def table(self) -> None:
        """Nothing: they are read one by one."""
        return

    def row(self, index: int) -> Given:
        """One row."""
        return self.rows[index]

    def line(self, index: int) -> int | None:
        """The line it begins on."""
        return self.starts[index] if self.starts is not None else None

    def lines(self) -> Sequence[int | None]:
        """The lines of all rows."""
        return self.starts or [None for _ in self.rows]


@dataclass(kw_only=True)
class RowSource:
    """Rows of Python or JSON values that a caller has, or makes as they are read."""

    rows: Iterable[Mapping[str, object]]
    description: str = "rows"
    format: str = "rows"
    is_complete: bool = True

    def open(self, _: RowRules) -> tuple[RowError, ...]:
        """Nothing is known before the first row."""
        return ()

    def reader(self, kind: TypeEngine[Any]) -> Reader:
        """The reader of Python and JSON values."""
        return reader_for(kind)

    def views(self) -> tuple[FromClause, ColumnElement[bool], Sequence[View]]:
        """None: there are no tables."""
        raise NotImplementedError("rows are read one by one")

    def blocks(self) -> Iterator[Block]:
        """The rows, some thousand at a time."""
        remaining = iter(self.rows)
        while found := list(islice(remaining, BLOCK_ROWS)):
            yield RowBlock(rows=[_object(row) for row in found])


def header_errors(rules: RowRules, names: Sequence[str], *, line: int | None) -> tuple[RowError, ...]:
    """What is wrong with the names of the columns of an input whose rows all have the same ones."""
    found = [_of_input(rules.unknown(0, name), line) for name in names if name not in rules.fields]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            found.append(_input_error(line, name, "each column once", "the column again", "remove one of the two"))
        elif name in rules.fields and rules.fields[name].is_server_made:
            told = "no value: the server makes it"
            found.append(_input_error(line, name, told, "a column of values", f"leave {name} out"))
    for name, field in rules.fields.items():
        if field.must_be_given and name not in names:
            found.append(_input_error(line, name, "a column of values", "no such column", f"add the column {name}"))
    return tuple(found)


def usable(rules: RowRules, names: Sequence[str]) -> dict[str, int]:
    """Columns whose values are read, with their place: declared ones, once each, that the server does not make."""
    return {
        name: place
        for place, name in reversed(list(enumerate(names)))
        if name in rules.fields and not rules.fields[name].is_server_made
    }


def is_default_when_null(field: Field) -> bool:
    """Whether a null in a file without a way to leave a column out means that the server's default is wanted."""
    return field.is_required and field.has_default


def broken_object(value: object) -> Broken:
    """What is wrong with a row that is no object."""
    return Broken(
        expected="an object with the columns as its keys",
        found=f"{type(value).__name__}",
        suggestion='write {"column": value, …}',
    )


def _object(row: object) -> Given:
    return row if isinstance(row, Mapping) else broken_object(row)


def _of_input(error: FieldError, line: int | None) -> RowError:
    return _input_error(line, error.column or "", error.expected, error.found, error.suggestion)


def _input_error(line: int | None, column: str, expected: str, found: str, suggestion: str) -> RowError:
    return RowError(row=None, line=line, column=column, expected=expected, found=found, suggestion=suggestion)
