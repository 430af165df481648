"""Evidence about one table: numbers of the live table, and plans of its access patterns with and without indexes.

Schema, statistics and plans only, never a value of the data (requirement L5); plans are told by their cost and their
indexes, not by their conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from groundwork.contracts.contract import Domain, TableContract
from groundwork.specialists.measurements import ColumnNumbers, Measurements, measure, time_column
from groundwork.specialists.queries import Demand, demand, tables_of
from groundwork.specialists.scratch import Plan, Scratch, scratch

_NAME_LIMIT = 63  # bytes of an identifier
_DAYS = {"d": 1.0, "w": 7.0, "m": 30.44, "y": 365.25}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An index that nobody declared and an access pattern could use; keys are (column, descending)."""

    name: str
    keys: tuple[tuple[str, bool], ...]
    pattern: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class PatternEvidence:
    """One access pattern: what it asks, and its plan with keys only, with the declared indexes, and with candidates."""

    name: str
    demand: Demand
    keys_only: Plan
    declared: Plan
    with_candidates: Plan


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found about one table. `sample_rows` is how many rows the plans were made on; `time_column` is null when
    the table has none that may be looked at, `retention_days` when the contract declares none.
    """

    subject: str
    table: Measurements
    time_column: str | None
    retention_days: float | None
    sample_rows: int
    declared_index_bytes: Mapping[str, int]
    candidates: tuple[Candidate, ...]
    patterns: tuple[PatternEvidence, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form, for the store and for a model."""
        return asdict(self)


def gather(connection: Connection, domain: Domain, table: TableContract) -> Evidence:
    """Measure one table; leaves no trace in the database.

    Raises: ConfigError when a declared access pattern is not one SELECT.
    """
    numbers = measure(connection, domain, table)
    queries = {pattern.name: pattern.query for pattern in table.access_patterns}
    columns = frozenset(column.name for column in table.columns)
    demands = {name: demand(query, table.schema, table.name, columns) for name, query in queries.items()}
    wanted = {(table.schema, table.name)}.union(*(tables_of(query) for query in queries.values()))
    copied = [each for each in domain.tables if (each.schema, each.name) in wanted]
    with scratch(connection, domain, copied) as place:
        keys_only = {name: place.plan(query, table, demands[name]) for name, query in queries.items()}
        sizes = {index.name: place.add_declared(index) for index in table.indexes}
        declared = {name: place.plan(query, table, demands[name]) for name, query in queries.items()}
        candidates = _add_candidates(place, table, demands, declared, numbers.columns)
        final = {name: place.plan(query, table, demands[name]) for name, query in queries.items()}
        sample = place.sample_rows[table.schema, table.name]
    patterns = tuple(
        PatternEvidence(
            name=name,
            demand=demands[name],
            keys_only=keys_only[name],
            declared=declared[name],
            with_candidates=final[name],
        )
        for name in queries
    )
    return Evidence(
        subject=table.qualified_name,
        table=numbers,
        time_column=time_column(table),
        retention_days=_days(table.retention),
        sample_rows=sample,
        declared_index_bytes=sizes,
        candidates=candidates,
        patterns=patterns,
    )


def _days(period: tuple[float, str] | None) -> float | None:
    return None if period is None else period[0] * _DAYS.get(period[1][:1].lower(), 1.0)


def _add_candidates(
    place: Scratch,
    table: TableContract,
    demands: Mapping[str, Demand],
    plans: Mapping[str, Plan],
    statistics: ColumnNumbers,
) -> tuple[Candidate, ...]:
    """Build an index for each access pattern that none serves: equality first, most selective first, then range."""
    found: dict[tuple[tuple[str, bool], ...], Candidate] = {}
    for pattern, asked in demands.items():
        keys = _keys(asked, statistics)
        if plans[pattern].is_served or not keys or keys in found:
            continue
        name = _index_name(table, keys)
        found[keys] = Candidate(name=name, keys=keys, pattern=pattern, bytes=place.add(table, name, keys))
    return tuple(found.values())


def _keys(asked: Demand, statistics: ColumnNumbers) -> tuple[tuple[str, bool], ...]:
    def distinct(column: str) -> float:
        found = (statistics.get(column) or {}).get("n_distinct") or 0.0
        return found if found >= 0 else -found * 1e9  # negative: a share of the rows, that is very many

    equal = [(column, False) for column in sorted(asked.equal, key=distinct, reverse=True)]
    rest = list(asked.ordered) if not asked.between else [(asked.between[0], False)]
    return tuple(dict.fromkeys([*equal, *(key for key in rest if key[0] not in asked.equal)]))


def _index_name(table: TableContract, keys: tuple[tuple[str, bool], ...]) -> str:
    name = f"{table.name}_{'_'.join(column for column, _ in keys)}_idx"
    return name.encode()[:_NAME_LIMIT].decode(errors="ignore")
