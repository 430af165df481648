"""Measures typed columns in DuckDB: counts, ranges, lengths, frequent values, forms, over all rows that were read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from groundwork.infer.files_source import RawTable, fetch, one_row, sql
from groundwork.infer.profile import ColumnProfile, TableProfile
from groundwork.infer.quality_patterns import EMAIL, MOST_SHAPES, URI, pattern_of_shapes, pattern_of_values
from groundwork.infer.relationships import Inclusion
from groundwork.infer.types import Family, family_of
from groundwork.infer.types_text import Decision

_SAMPLES = 500  # distinct values that classification looks at
_MOST_LISTED = 1_000  # distinct values up to which the frequent ones are counted
_TOP = 100
_FEWEST_OF_FORM = 3  # values from which a well-known form is no chance
_FIRST_LOOK = 200_000  # rows in which most combinations that are no key already repeat
_ORDERED = (Family.INTEGER, Family.NUMBER, Family.DATE, Family.TIMESTAMP, Family.TIME)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = "A" * 26 + "a" * 26 + "9" * 10
_SHAPES = """
    SELECT DISTINCT translate(v, '{letters}', '{shape}') FROM (SELECT DISTINCT {column} AS v FROM {table})
    WHERE v IS NOT NULL LIMIT {most}
"""
_TOP_VALUES = """
    SELECT CAST({column} AS VARCHAR) AS v, count(*) AS n FROM {table} WHERE {column} IS NOT NULL
    GROUP BY v ORDER BY n DESC, v LIMIT {most}
"""
_SAMPLED = """
    SELECT DISTINCT left(CAST({column} AS VARCHAR), 500) AS v FROM {table}
    WHERE {column} IS NOT NULL AND hash({column}) % {step} = 0 ORDER BY v LIMIT {most}
"""
_DISTINCT = "SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {rows} WHERE {filled})"
_MISSING = """
    SELECT count(*), count_if(NOT is_there) FROM (
        SELECT EXISTS (SELECT 1 FROM {target} AS t WHERE {matches}) AS is_there
        FROM (SELECT DISTINCT {columns} FROM {table} WHERE {filled}) AS s)
"""


class Measured:
    """One source with its types decided, in the DuckDB table `v<number>`, and the profile of its columns.

    `names` are the columns' names in the contract, in the order of the source's fields.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, raw: RawTable, decisions: Sequence[Decision], names: Sequence[str]
    ) -> None:
        self._connection = connection
        self._table = raw.name.replace("t", "v")
        self._places: Mapping[str, str] = {name: f"c{place}" for place, name in enumerate(names)}
        self._rows = raw.rows
        values = ", ".join(f"{each.value} AS c{place}" for place, each in enumerate(decisions))
        fetch(
            connection,
            sql("CREATE TABLE {to} AS SELECT {values} FROM {raw}", to=self._table, values=values or "1", raw=raw.name),
        )
        fetch(connection, sql("DROP TABLE {raw}", raw=raw.name))
        self._decisions = dict(zip(names, decisions, strict=True))

    def profile(self, table: str, source: str, facts: Mapping[str, Any], *, is_complete: bool) -> TableProfile:
        """The profile of the table, to be called `table`."""
        columns = tuple(self._column(name, decision) for name, decision in self._decisions.items())
        return TableProfile(
            name=table, source=source, rows=self._rows, columns=columns, is_complete=is_complete, facts=facts
        )

    def count(self, columns: Sequence[str]) -> int:
        """Distinct combinations without nulls; fewer than there are when the first rows already repeat one."""
        first = sql("(SELECT * FROM {table} LIMIT {most})", table=self._table, most=_FIRST_LOOK)
        if self._rows > _FIRST_LOOK and (found := self._distinct(columns, first)) < _FIRST_LOOK:
            return found
        return self._distinct(columns, self._table)

    def includes(self, columns: Sequence[str], target: Measured, key: Sequence[str]) -> Inclusion:
        """How far the values of `columns` are among those of the target's `key`."""
        mine = [self._places[name] for name in columns]
        its = [target._places[name] for name in key]
        matches = " AND ".join(f"t.{there} = s.{here}" for here, there in zip(mine, its, strict=True))
        statement = sql(
            _MISSING,
            target=target._table,
            matches=matches,
            columns=", ".join(mine),
            table=self._table,
            filled=" AND ".join(f"{column} IS NOT NULL" for column in mine),
        )
        distinct, missing = one_row(self._connection, statement)
        return Inclusion(distinct=distinct, missing=missing or 0)

    def _distinct(self, columns: Sequence[str], rows: str) -> int:
        places = [self._places[name] for name in columns]
        filled = " AND ".join(f"{place} IS NOT NULL" for place in places)
        statement = sql(_DISTINCT, columns=", ".join(places), rows=rows, filled=filled)
        return int(one_row(self._connection, statement)[0])

    def _column(self, name: str, decision: Decision) -> ColumnProfile:
        column, family = self._places[name], family_of(decision.type)
        filled, distinct = self._one("count({column}), count(DISTINCT {column})", column)
        low, high = self._one("min({column}), max({column})", column) if family in _ORDERED else (None, None)
        shortest, longest = (
            self._one("min(length({column})), max(length({column}))", column) if family is Family.TEXT else (None, None)
        )
        samples = self._samples(column, distinct)
        return ColumnProfile(
            name=name,
            type=decision.type,
            rows=self._rows,
            nulls=self._rows - filled,
            distinct=distinct,
            minimum=None if low is None else str(low),
            maximum=None if high is None else str(high),
            shortest=shortest,
            longest=longest,
            top_values=self._top(column) if 0 < distinct <= _MOST_LISTED else (),
            samples=samples,
            notes=decision.notes,
            pattern=self._pattern(column, samples, distinct) if family is Family.TEXT else None,
        )

    def _one(self, expressions: str, column: str) -> Any:
        statement = sql("SELECT {what} FROM {table}", what=expressions.format(column=column), table=self._table)
        return one_row(self._connection, statement)

    def _top(self, column: str) -> tuple[tuple[str, int], ...]:
        statement = sql(_TOP_VALUES, column=column, table=self._table, most=_TOP)
        return tuple((str(value), int(count)) for value, count in fetch(self._connection, statement))

    def _samples(self, column: str, distinct: int) -> tuple[str, ...]:
        """Distinct values chosen by their hashes: the same ones in every run, and no favourites."""
        step = max(1, distinct // _SAMPLES)
        statement = sql(_SAMPLED, column=column, table=self._table, step=step, most=_SAMPLES)
        return tuple(str(row[0]) for row in fetch(self._connection, statement))

    def _pattern(self, column: str, samples: Sequence[str], distinct: int) -> str | None:
        """A pattern of some values that all values have."""
        guessed = _guessed_pattern(samples)
        if guessed is None:
            return None
        statement = sql(
            "SELECT count_if(NOT regexp_matches({column}, ?)) FROM {table}", column=column, table=self._table
        )
        if not one_row(self._connection, statement, [guessed])[0]:
            return guessed
        if guessed in (EMAIL, URI):
            return None
        shapes = fetch(
            self._connection,
            sql(_SHAPES, letters=_LETTERS, shape=_SHAPE, column=column, table=self._table, most=MOST_SHAPES + 1),
        )
        return pattern_of_shapes({row[0] for row in shapes}, distinct) if len(shapes) <= MOST_SHAPES else None


def _guessed_pattern(samples: Sequence[str]) -> str | None:
    for known in (EMAIL, URI):
        if len(samples) >= _FEWEST_OF_FORM and all(re.match(known, value) for value in samples):
            return known
    return pattern_of_values(samples)
