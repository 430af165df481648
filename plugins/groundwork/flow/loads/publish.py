"""From staging to the table: what is new, what changed, what was there, and what cannot go in.

Owns everything about keys. Rejected here are rows that are good by themselves but not together: a key that comes twice
with different values, a unique key taken by another row, and, where a table is append-only, a key that is there with
other values. All statements are set-based and run in the load's one transaction.

A column with a default that the source leaves null keeps what is there, and takes its default in a new row. A column
`updated_at` with a default that the source does not fill is set to the present whenever the row really changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.contracts.contract import RelationshipContract, TableContract
from groundwork.flow.loads.examination import POSITION
from groundwork.flow.quarantine.rejected import Quarantine
from groundwork.flow.record import Rule
from groundwork.flow.statement import changed_rows
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind, WriteMode

_TOUCHED = "updated_at"
_ONE: ColumnElement[int] = literal_column("1")


@dataclass(frozen=True, kw_only=True)
class Published:
    """Rows by what became of them; `quarantined` counts only what was rejected here.

    `removed` are rows of the table, not records of the source.
    """

    loaded: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    quarantined: int = 0
    removed: int = 0


@dataclass(frozen=True, kw_only=True)
class UniqueKey:
    """Columns whose values no two rows may share, among the rows where `condition` holds when there is one."""

    columns: tuple[str, ...]
    condition: str | None = None


def unique_keys(contract: TableContract) -> tuple[UniqueKey, ...]:
    """Every key of the table but the primary one, unique indexes on plain columns included."""
    keys = [UniqueKey(columns=key.columns) for key in contract.unique_keys]
    for index in contract.indexes:
        columns = tuple(key.column for key in index.keys if key.column)
        if index.is_unique and len(columns) == len(index.keys):
            keys.append(UniqueKey(columns=columns, condition=index.where))
    return tuple(dict.fromkeys(key for key in keys if key.columns != contract.primary_key))


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """The way of one load's rows from `staging` into `target`; `columns` are those the source fills.

    `snapshot_column` holds one value in all of `staging`, whose rows of the table are meant. `removes` tells that rows
    that the source has no more leave the table; nobody may ask for it when a record is missing from `staging`.
    `key_columns` are by what rows are known when it is not the primary key; `constants` are values of every new row.
    """

    connection: Connection
    contract: TableContract
    staging: Table
    target: Table
    columns: tuple[str, ...]
    mode: WriteMode
    quarantine: Quarantine
    snapshot_column: str | None = None
    removes: bool = False
    key_columns: tuple[str, ...] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """What rows are known by, as a rule the primary key; raises ConfigError when there is none."""
        if self.key_columns is not None:
            return self.key_columns
        if not self.contract.primary_key:
            raise ConfigError(
                "a table without primary key cannot be loaded twice without doubling its rows",
                where=self.contract.qualified_name,
                expected="a primary key",
                next_step="declare one in the contract",
            )
        return self.contract.primary_key

    def settle_keys(self) -> Published:
        """Leave each key once in staging: take out repeated rows, and reject those that contradict another."""
        duplicates, quarantined = self._repeated_keys()
        for unique in unique_keys(self.contract):
            if set(unique.columns) <= set(self.columns):
                quarantined += self._taken_keys(unique)
        if self.mode is WriteMode.APPEND:
            quarantined += self._contradictions()
        for relationship in self.contract.relationships:
            if relationship.target_table in (self.contract.name, self.contract.qualified_name):
                while orphans := self._orphans(relationship):  # a rejected row may leave others without theirs
                    quarantined += orphans
        return Published(duplicates=duplicates, quarantined=quarantined)

    def write(self) -> Published:
        """Bring what is left in staging into the table: what leaves and what changes first, to free unique keys."""
        gone = self._remove() if self.removes else 0
        known = self._known(self.staging, self.target)
        same = self.is_same(self.staging, self.target)
        unchanged = changed_rows(self.connection, delete(self.staging).where(known, same))
        if self.mode is WriteMode.APPEND:
            return Published(duplicates=unchanged, loaded=self._insert())
        updated = self._update() if set(self.columns) - set(self.key) else 0
        return Published(unchanged=unchanged, updated=updated, loaded=self._insert(), removed=gone)

    def is_new(self) -> ColumnElement[bool]:
        """Whether the table has no row with the staged row's key."""
        there = select(_ONE).where(self._known(self.staging, self.target))
        return not_(exists(there.correlate(self.staging)))

    def _remove(self) -> int:
        """Rows of the table, or of the snapshot, that the source has no more."""
        there = exists(select(_ONE).where(self._known(self.staging, self.target)).correlate(self.target))
        return changed_rows(self.connection, delete(self.target).where(not_(there), *self._of_snapshot()))

    def _of_snapshot(self) -> tuple[ColumnElement[bool], ...]:
        if self.snapshot_column is None:
            return ()
        name = self.snapshot_column
        return (self.target.c[name] == select(func.max(self.staging.c[name])).scalar_subquery(),)

    def _repeated_keys(self) -> tuple[int, int]:
        staging = self.staging
        columns = [staging.c[name] for name in self.key]
        repeated = select(_ONE).select_from(staging).group_by(*columns).having(func.count() > 1).limit(1)
        if self.connection.execute(repeated).first() is None:
            return 0, 0
        first = func.first_value(staging.c[POSITION]).over(partition_by=columns, order_by=staging.c[POSITION])
        numbered = select(staging.c[POSITION], first.label("first")).subquery()
        later, earlier = staging.alias("later"), staging.alias("earlier")
        pairs = (
            select(later.c[POSITION], numbered.c.first)
            .join(numbered, numbered.c[POSITION] == later.c[POSITION])
            .join(earlier, earlier.c[POSITION] == numbered.c.first)
            .where(numbered.c.first != later.c[POSITION])
        )
        same = self.is_same(later, earlier, with_defaults=False)
        copies = pairs.where(same).subquery()
        duplicates = changed_rows(
            self.connection, delete(staging).where(staging.c[POSITION].in_(select(copies.c[POSITION])))
        )
        others = pairs.where(not_(same)).subquery()
        message = func.concat("record ", others.c.first, " has the same key and other values")
        broken = select(others.c[POSITION], message.label("message"))
        return duplicates, self._reject(broken, Rule.DUPLICATE_KEY)

    def _contradictions(self) -> int:
        known = and_(self._known(self.staging, self.target), not_(self.is_same(self.staging, self.target)))
        message = literal("the table holds this key with other values, and it is append-only").label("message")
        broken = select(self.staging.c[POSITION], message).join(self.target, known)
        return self._reject(broken, Rule.KEY_CONFLICT)

    def _taken_keys(self, unique: UniqueKey) -> int:
        """Reject rows that would share a unique key with another row once the load is done."""
        staged = self._holders(unique, self.staging, self.staging.c[POSITION])
        other = self.staging.alias("other")
        replaced = exists(select(_ONE).select_from(other).where(self._known(other, self.target)))
        wanted = tuple_(*(self.target.c[name] for name in unique.columns)).in_(
            select(*(other.c[name] for name in unique.columns))
        )
        kept = self._holders(unique, self.target, null()).where(not_(replaced), wanted)
        if self.removes:  # what stands there leaves, but for other snapshots
            kept = kept.where(*(not_(condition) for condition in self._of_snapshot() or (true(),)))
        holders = union_all(kept, staged).subquery()
        place = func.row_number().over(
            partition_by=[holders.c[name] for name in unique.columns], order_by=holders.c[POSITION].asc().nulls_first()
        )
        ranked = select(holders.c[POSITION], place.label("place")).subquery()
        message = literal(f"another row has the same {', '.join(unique.columns)}").label("message")
        broken = select(ranked.c[POSITION], message).where(ranked.c.place > 1, ranked.c[POSITION].is_not(None))
        return self._reject(broken, CheckKind.UNIQUE, unique.columns[0] if len(unique.columns) == 1 else None)

    def _orphans(self, relationship: RelationshipContract) -> int:
        """Reject rows that refer to a row of their own table which is neither there nor in this load."""
        pairs = list(zip(relationship.columns, relationship.target_columns, strict=True))
        present = [self.staging.c[name].is_not(None) for name in relationship.columns]
        missing = []
        for place in (self.staging.alias("referenced"), self.target):
            found = select(_ONE).where(*(self.staging.c[own] == place.c[other] for own, other in pairs))
            missing.append(not_(exists(found.correlate(self.staging))))
        columns = ", ".join(relationship.columns)
        message = literal(f"expected that {columns} exists in {self.contract.qualified_name}").label("message")
        broken = select(self.staging.c[POSITION], message).where(*present, *missing)
        return self._reject(broken, CheckKind.REFERENCES, columns if len(pairs) == 1 else None)

    def _holders(self, unique: UniqueKey, table: Table, position: ColumnElement[Any]) -> Select[tuple[int]]:
        columns = [table.c[name] for name in unique.columns]
        found = select(cast(position, self.staging.c[POSITION].type).label(POSITION), *columns).select_from(table)
        found = found.where(*(column.is_not(None) for column in columns))
        return found.where(literal_column(f"({unique.condition}\n)")) if unique.condition else found

    def _reject(self, broken: Select[tuple[int, str]], rule: str, column: str | None = None) -> int:
        rejected = self.quarantine.reject_staged(self.staging, self.columns, broken, rule, column)
        if rejected:
            positions = select(broken.subquery().c[POSITION])
            self.connection.execute(delete(self.staging).where(self.staging.c[POSITION].in_(positions)))
        return rejected

    def _update(self) -> int:
        values: dict[str, Any] = {
            name: func.coalesce(self.staging.c[name], self.target.c[name])
            if self._has_default(name)
            else self.staging.c[name]
            for name in self.columns
            if name not in self.key
        }
        if _TOUCHED in self.staging.c and self._has_default(_TOUCHED):
            values[_TOUCHED] = func.coalesce(self.staging.c[_TOUCHED], func.now())
        return changed_rows(
            self.connection, update(self.target).values(values).where(self._known(self.staging, self.target))
        )

    def _insert(self) -> int:
        staging = self.staging
        values = [
            func.coalesce(staging.c[name], text(f"({self.contract.column(name).default})"))
            if self._has_default(name)
            else staging.c[name]
            for name in self.columns
        ]
        given = [literal(value, self.target.c[name].type) for name, value in self.constants.items()]
        rows = select(*values, *given).where(self.is_new())
        names = [*self.columns, *self.constants]
        return changed_rows(self.connection, insert(self.target).from_select(names, rows))

    def _has_default(self, name: str) -> bool:
        return self.contract.column(name).default is not None

    def _known(self, left: FromClause, right: FromClause) -> ColumnElement[bool]:
        return and_(*(left.c[name] == right.c[name] for name in self.key))

    def is_same(self, left: FromClause, right: FromClause, *, with_defaults: bool = True) -> ColumnElement[bool]:
        """Whether the columns that the source fills are equal; `json` has no equality, so it is compared as jsonb."""
        equal: list[ColumnElement[bool]] = []
        for name in self.columns:
            if name in self.key:
                continue
            pair: Sequence[ColumnElement[object]] = (left.c[name], right.c[name])
            if self.contract.column(name).type.lower() == "json":
                pair = [cast(column, JSONB) for column in pair]
            same = pair[0].is_not_distinct_from(pair[1])
            equal.append(or_(left.c[name].is_(None), same) if with_defaults and self._has_default(name) else same)
        return and_(literal_column("true"), *equal)
