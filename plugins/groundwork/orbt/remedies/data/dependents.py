"""Rows that refer to rows which are about to leave their table: they leave with them, children before parents.

References are those that contracts declare and those that the database enforces. A table that no contract declares is
never touched: when rows of it refer to rows that would leave, nothing leaves.
"""

# groundwork: allow-file raw_sql it reads the catalogs of the server

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from sqlalchemy import Connection, Table, and_, func, select, text

from groundwork.contracts.contract import Domain
from groundwork.flow.quarantine.live_row import with_row_ids
from groundwork.flow.quarantine.withdraw import Withdrawal
from groundwork.flow.record import Reason
from groundwork.model.vocabulary import CheckKind
from groundwork.orbt.remedies.remedy import RemedyRefusedError

Place = tuple[str, str]  # schema and table
_LIVE = text(
    """
    SELECT cn.nspname AS schema, c.relname AS table, pn.nspname AS parent_schema, p.relname AS parent_table,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place) AS targets
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0
    """
)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Columns of `child` that name a row of `parent` by `targets`."""

    child: Place
    parent: Place
    columns: tuple[str, ...]
    targets: tuple[str, ...]


def references(connection: Connection, domain: Domain) -> tuple[Reference, ...]:
    """Every reference that the domain's contracts declare between tables that are there, or the database enforces."""
    declared = [
        Reference(
            child=(table.schema, table.name),
            parent=(target.schema, target.name),
            columns=each.columns,
            targets=tuple(target.column(name).name for name in each.target_columns),
        )
        for table in domain.tables
        for each in table.relationships
        for target in [domain.table(each.target_table)]
    ]
    there = {
        place
        for place in {place for each in declared for place in (each.child, each.parent)}
        if _is_there(connection, place)
    }
    live = [
        Reference(
            child=(row.schema, row.table),
            parent=(row.parent_schema, row.parent_table),
            columns=tuple(row.columns),
            targets=tuple(row.targets),
        )
        for row in connection.execute(_LIVE)
    ]
    return tuple(dict.fromkeys([*live, *(each for each in declared if {each.child, each.parent} <= there)]))


@dataclass(frozen=True, kw_only=True)
class Dependents:
    """The references among the tables that a withdrawal from `root` can touch; `declared` are tables of contracts."""

    connection: Connection
    domain: Domain
    root: Place
    found: tuple[Reference, ...]
    tables: dict[Place, Table] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection, domain: Domain, root: Place) -> Dependents:
        """Look the references up."""
        every = references(connection, domain)
        reached, frontier = {root}, [root]
        while frontier:
            parent = frontier.pop()
            new = {each.child for each in every if each.parent == parent} - reached
            reached |= new
            frontier += new
        return cls(
            connection=connection,
            domain=domain,
            root=root,
            found=tuple(each for each in every if each.parent in reached),
        )

    @property
    def places(self) -> tuple[Place, ...]:
        """The tables of contracts that may lose rows, `root` first."""
        children = sorted({each.child for each in self.found if self._is_declared(each.child)} - {self.root})
        return (self.root, *children)

    def mark(self, withdrawal: Withdrawal) -> None:
        """Mark what refers to marked rows, and what refers to that, until nothing does.

        Raises: RemedyRefusedError when rows of a table that no contract declares do, or there are too many.
        """
        is_new = True
        while is_new:
            is_new = any([self._mark_children(withdrawal, each) > 0 for each in self.found])  # noqa: C419  all of them
            if sum(withdrawal.counts().values()) > withdrawal.limit:
                return  # whoever counts them says so

    def order(self) -> tuple[Place, ...]:
        """Children before their parents.

        Raises: RemedyRefusedError when tables refer to one another in a circle.
        """
        graph: dict[Place, set[Place]] = {place: set() for place in self.places}
        for each in self.found:
            if each.child != each.parent and {each.child, each.parent} <= graph.keys():
                graph[each.parent].add(each.child)
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = ", ".join(f"{schema}.{name}" for schema, name in sorted(set(error.args[1])))
            raise RemedyRefusedError(f"tables refer to one another in a circle: {circle}") from error

    def _mark_children(self, withdrawal: Withdrawal, each: Reference) -> int:
        child, parent = self._table(each.child), self._table(each.parent).alias("parent")
        pairs = [parent.c[target] == child.c[name] for name, target in zip(each.columns, each.targets, strict=True)]
        leaving = select(1).select_from(parent).where(*pairs, withdrawal.is_marked(parent, *each.parent))
        staying = select(1).select_from(parent).where(*pairs, ~withdrawal.is_marked(parent, *each.parent))
        is_left_alone = and_(leaving.correlate(child).exists(), ~staying.correlate(child).exists())
        name = f"{each.parent[0]}.{each.parent[1]}"
        if not self._is_declared(each.child):
            held = select(func.count()).select_from(child).where(is_left_alone)
            if count := self.connection.scalar(held):
                raise RemedyRefusedError(
                    f"{count} rows of {each.child[0]}.{each.child[1]}, which no contract declares, refer to rows of "
                    f"{name} that would leave"
                )
            return 0
        column = each.columns[0] if len(each.columns) == 1 else None
        reason = Reason(rule=CheckKind.REFERENCES, column=column, message=f"its row of {name} went to quarantine")
        rows = select(child.c.tableoid, child.c.ctid).where(is_left_alone, ~withdrawal.is_marked(child, *each.child))
        return withdrawal.mark(child, rows, reason)

    def _table(self, place: Place) -> Table:
        if place not in self.tables:
            self.tables[place] = with_row_ids(self.connection, *place)
        return self.tables[place]

    def _is_declared(self, place: Place) -> bool:
        return any((table.schema, table.name) == place for table in self.domain.tables)


def _is_there(connection: Connection, place: Place) -> bool:
    name = func.format("%I.%I", *place)
    return bool(connection.scalar(select(func.to_regclass(name).is_not(None))))
