"""What the contracts declare, as rules ask for it: tables by name, columns, and the nearest name to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from groundwork.contracts.contract import Domain, TableContract

_SYSTEM_COLUMNS = frozenset(["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"])
_NEAR = 0.6  # similarity from which a name is worth naming
_SLIP = 0.85  # similarity from which an unknown table is a slip of a declared one
_SHORTEST_SLIP = 5  # letters; shorter names are near to many


@dataclass(frozen=True)
class Declared:
    """The tables of all domains; nothing is declared when there are none, and then nothing is undeclared."""

    domains: tuple[Domain, ...] = ()
    _by_name: dict[str, list[TableContract]] = field(default_factory=dict)
    _schemas: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, domains: Iterable[Domain]) -> Declared:
        """What these domains declare."""
        made = cls(tuple(domains))
        for domain in made.domains:
            made._schemas.update(domain.schemas)
            for table in domain.tables:
                made._by_name.setdefault(table.name, []).append(table)
        return made

    def tables(self, schema: str | None, name: str) -> tuple[TableContract, ...]:
        """The declared tables that a name can mean."""
        found = self._by_name.get(name, [])
        return tuple(table for table in found if schema in (None, "", table.schema))

    def is_declared(self, schema: str | None, name: str) -> bool:
        """Whether a contract declares the table."""
        return bool(self.tables(schema, name))

    def domain_of(self, table: TableContract) -> str:
        """The name of the domain that declares `table`."""
        return next((domain.name for domain in self.domains if table in domain.tables), "")

    def is_undeclared(self, schema: str | None, name: str) -> bool:
        """Whether a table stands in a declared schema, or nearly has a declared name, and no contract declares it."""
        if not self.domains or self.is_declared(schema, name) or self._is_partition(schema, name):
            return False
        if schema:
            return schema in self._schemas
        return len(name) >= _SHORTEST_SLIP and bool(get_close_matches(name, self._by_name, 1, _SLIP))

    def nearest_table(self, name: str) -> str | None:
        """The declared table whose name is nearest, with its schema."""
        near = get_close_matches(name, self._by_name, 1, _NEAR)
        return self._by_name[near[0]][0].qualified_name if near else None

    def _is_partition(self, schema: str | None, name: str) -> bool:
        return any(
            table.partitioning is not None and name.startswith(f"{table.name}_") and schema in (None, table.schema)
            for tables in self._by_name.values()
            for table in tables
        )


def has_column(tables: Sequence[TableContract], name: str) -> bool:
    """Whether any of the tables has the column; those that PostgreSQL adds count."""
    if name in _SYSTEM_COLUMNS:
        return True
    return any(column.name == name for table in tables for column in table.columns)


def nearest_column(tables: Sequence[TableContract], name: str) -> str | None:
    """The column of the tables whose name is nearest."""
    columns = [column.name for table in tables for column in table.columns]
    return next(iter(get_close_matches(name, columns, 1, _NEAR)), None)
