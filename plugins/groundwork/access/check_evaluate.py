"""The conditions of one check over its rows, block by block: by DuckDB where it may, by the database else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
from sqlalchemy import Connection

from groundwork.access.check_conditions import ROWS, duck_query
from groundwork.access.check_errors import Errors
from groundwork.access.check_keys import OFFLINE, told
from groundwork.access.check_lookup import Lookup
from groundwork.access.check_plan import Condition
from groundwork.access.check_report import NotChecked, RowError
from groundwork.access.check_split import Split
from groundwork.access.validation import Field
from groundwork.contracts.contract import TableContract

_ASKED = 20_000  # rows that the database is asked about together


class Evaluation:
    """The conditions of one check, each evaluated by whoever means the right thing by it."""

    def __init__(
        self,
        table: TableContract,
        conditions: Sequence[Condition],
        fields: Mapping[str, Field],
        errors: Errors,
        connect: Callable[[], Connection | None],
    ) -> None:
        """`connect` gives the database for what DuckDB cannot evaluate, or null."""
        self._table = table
        self._numbers = {name: number for number, name in enumerate(fields)}
        self._errors = errors
        self._connect = connect
        self._lookup: Lookup | None = None
        self._duck = duckdb.connect(config={"threads": 2})
        self._duck.execute("SET TimeZone = 'UTC'")
        self._queries: dict[Condition, str | None] = {
            condition: duck_query(condition, fields, self._numbers) for condition in conditions
        }
        self._skipped: dict[Condition, NotChecked] = {}

    @property
    def not_checked(self) -> list[NotChecked]:
        """Conditions that nobody could evaluate."""
        return list(self._skipped.values())

    def look_at(self, split: Split) -> None:
        """Evaluate every condition over the rows of one block."""
        for condition in self._queries:
            if condition in self._skipped:
                continue
            for rows, broken in ((split.good, None), (split.partial, split.broken)):
                if rows.num_rows:
                    self._evaluate(condition, rows, broken)

    def _evaluate(self, condition: Condition, rows: Any, broken: Mapping[int, frozenset[str]] | None) -> None:
        places = self._by_duck(condition, rows)
        if places is None:
            places = self._by_server(condition, rows)
        names = [f"k{self._numbers[name]}" for name in condition.columns]
        for place in places or ():
            row = rows.column("row")[place].as_py()
            if broken is None or not broken[row].intersection(condition.columns):
                texts = [rows.column(name)[place].as_py() for name in names]
                self._add(row, rows.column("line")[place].as_py(), condition, texts)

    def _by_duck(self, condition: Condition, rows: Any) -> list[int] | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        query = self._queries[condition]
        if query is None:
            return None
        self._duck.register(ROWS, rows)
        try:
            found = [row for (row,) in self._duck.execute(query).fetchall()]
        except duckdb.Error:  # a number too large for it; the server knows larger ones
            self._queries[condition] = None
            return None
        finally:
            self._duck.unregister(ROWS)
        wanted = pc.is_in(rows.column("row"), pa.array(found, pa.int64())) if found else None
        return [] if wanted is None else list(pc.indices_nonzero(wanted).to_pylist())

    def _by_server(self, condition: Condition, rows: Any) -> list[int]:
        if self._lookup is None:
            connection = self._connect()
            self._lookup = Lookup(connection, self._table) if connection is not None else None
        if self._lookup is None:
            self._skipped[condition] = NotChecked(what=condition.description, why=OFFLINE)
            return []
        names = [f"k{self._numbers[name]}" for name in condition.columns]
        columns = [rows.column(name).to_pylist() for name in names]
        texts = list(zip(*columns, strict=True)) if columns else []
        found: list[int] = []
        for start in range(0, len(texts), _ASKED):
            asked = texts[start : start + _ASKED]
            found += [start + place for place in self._lookup.broken(condition, asked)]
        return found

    def _add(self, row: int, line: int | None, condition: Condition, texts: Sequence[str | None]) -> None:
        self._errors.add(
            RowError(
                row=row,
                line=line,
                column=", ".join(condition.columns) or None,
                expected=condition.description,
                found=told(condition.columns, texts) or "a row for which it is false",
                suggestion="change the values so that it holds",
            )
        )
