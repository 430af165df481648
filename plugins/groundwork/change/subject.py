"""What a stage builder may look at: the declared domain, what is derived from it, and the whole comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, MetaData, Table

from groundwork.change import wording
from groundwork.change.facts import Facts
from groundwork.change.stage import Acceptance, Risk
from groundwork.change.widening import is_widening
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.partitions import partitions
from groundwork.contracts.diff import Change, ChangeKind, Diff, ObjectType
from groundwork.model.shape import TableShape


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The comparison that is being planned for, what is known of the live tables, and what the caller accepts."""

    domain: Domain
    built: MetaData
    diff: Diff
    facts: Facts = field(default_factory=Facts)
    accept: frozenset[Acceptance] = frozenset()

    @property
    def may_lose(self) -> bool:
        """Whether what nobody declares may be dropped."""
        return Acceptance.LOSS in self.accept

    def may_rewrite(self, change: Change) -> bool:
        """Whether the changed table may be rewritten in place: it is small, or the caller accepts that others wait."""
        return Acceptance.REWRITE in self.accept or self.facts.is_small(change.qualified_table)

    def rewriting_risk(self, change: Change) -> Risk:
        """What rewriting the changed table puts at stake: nothing where there is nothing to rewrite."""
        return Risk.NONE if self.facts.is_empty(change.qualified_table) else Risk.REWRITES

    def losing_risk(self, change: Change) -> Risk:
        """What dropping something of the changed table puts at stake: nothing where there are no rows."""
        return Risk.NONE if self.facts.is_empty(change.qualified_table) else Risk.LOSES

    def size(self, change: Change) -> str:
        """How large the changed table is, for people."""
        return self.facts.told(change.qualified_table)

    def shape(self, change: Change) -> TableShape | None:
        """The changed table as it is, where facts were gathered."""
        return self.facts.shape(change.schema, change.table)

    def sibling(self, change: Change, object_type: ObjectType) -> Change | None:
        """The difference of another kind about the same column."""
        return next(
            (
                other
                for other in self.diff.changes
                if other.object_type is object_type
                and (other.schema, other.table, other.name) == (change.schema, change.table, change.name)
            ),
            None,
        )

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

    def stands_on_retyped(self, change: Change) -> bool:
        """Whether the changed index, key, check or foreign key stands on a column that is rewritten to another type."""
        if change.object_type is ObjectType.FOREIGN_KEY and self._targets_retyped(change):
            return True
        text = str(change.observed or change.declared)
        return any(wording.names_column(text, name) for name in self._retyped(change.schema, change.table))

    def _retyped(self, schema: str, table: str) -> Iterator[str]:
        for other in self.diff.changes:
            is_here = other.object_type is ObjectType.COLUMN_TYPE and (other.schema, other.table) == (schema, table)
            if is_here and self.may_rewrite(other) and not is_widening(str(other.observed), str(other.declared)):
                yield other.name

    def _targets_retyped(self, change: Change) -> bool:
        shape = self.shape(change)
        key = next((each for each in shape.foreign_keys if each.name == change.name), None) if shape else None
        return key is not None and bool(
            set(key.target_columns) & set(self._retyped(key.target_schema, key.target_table))
        )

    def has_extra_index(self, change: Change, name: str) -> bool:
        """Whether the database has an undeclared index `name` on the changed table."""
        return any(
            other.object_type is ObjectType.INDEX
            and other.kind is ChangeKind.EXTRA
            and (other.schema, other.table, other.name) == (change.schema, change.table, name)
            for other in self.diff.changes
        )

    def is_referred_to(self, change: Change) -> bool:
        """Whether a foreign key that is there stands on the changed key, as far as facts tell; true without facts."""
        shape = self.shape(change)
        if shape is None:
            return True
        keys = [*shape.unique_keys, *([shape.primary_key] if shape.primary_key else [])]
        columns = next((set(key.columns) for key in keys if key.name == change.name), set())
        return any(
            (key.target_schema, key.target_table) == (change.schema, change.table)
            and set(key.target_columns) == columns
            for table in self.facts.observed.tables
            for key in table.foreign_keys
        )
