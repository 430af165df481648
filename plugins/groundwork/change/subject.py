"""What a stage builder may look at: the declared domain, what is derived from it, and the whole comparison."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, MetaData, Table

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.partitions import partitions
from groundwork.contracts.diff import Change, ChangeKind, Diff, ObjectType


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The comparison that is being planned for."""

    domain: Domain
    built: MetaData
    diff: Diff

    def contract(self, change: Change) -> TableContract:
        """The contract of the changed table."""
        return self.domain.table(change.qualified_table)

    def table(self, change: Change) -> Table:
        """The derived form of the changed table."""
        return self.built.tables[change.qualified_table]

    def column(self, change: Change) -> Column[object]:
        """The derived form of the changed column."""
        return self.table(change).c[change.name]

    def constraint(self, change: Change) -> CheckConstraint | ForeignKeyConstraint:
        """The derived form of the changed check or foreign key."""
        return next(
            item
            for item in self.table(change).constraints
            if item.name == change.name and isinstance(item, (CheckConstraint, ForeignKeyConstraint))
        )

    def index(self, change: Change) -> Index:
        """The derived form of the changed index."""
        return next(index for index in self.table(change).indexes if index.name == change.name)

    def is_partitioned(self, change: Change) -> bool:
        """Whether the changed table is declared as partitioned."""
        return self.contract(change).partitioning is not None

    def partition_names(self, change: Change) -> tuple[str, ...]:
        """The partitions that the table has once the plan's earlier stages ran: the declared and the unknown ones."""
        declared = [partition.name for partition in partitions(self.contract(change))]
        unknown = [
            other.name
            for other in self.diff.changes
            if other.object_type is ObjectType.PARTITION
            and other.kind is ChangeKind.EXTRA
            and (other.schema, other.table) == (change.schema, change.table)
        ]
        return (*declared, *unknown)

    def has_extra_index(self, change: Change, name: str) -> bool:
        """Whether the database has an undeclared index `name` on the changed table."""
        return any(
            other.object_type is ObjectType.INDEX
            and other.kind is ChangeKind.EXTRA
            and (other.schema, other.table, other.name) == (change.schema, change.table, name)
            for other in self.diff.changes
        )
