"""Rows that break a declared constraint, marked to be withdrawn; of rows that share a key the contract says who stays.

The newest row stays, by the column of the source's watermark, else by the column in which the database itself writes
the time. Where that does not decide, because rows differ and none is the newest, nothing is decided by guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Select,
    Table,
    Text,
    and_,
    cast,
    func,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.metadata import expression, metadata, own_objects
from groundwork.contracts.derive.predicate import duplicates
from groundwork.contracts.diff import ObjectType
from groundwork.flow.quarantine.withdraw import Withdrawal
from groundwork.flow.record import Reason
from groundwork.model.vocabulary import CheckKind
from groundwork.orbt.remedies.data.constraints import Lacking
from groundwork.orbt.remedies.remedy import RemedyRefusedError

_CLOCKS = ("now()", "CURRENT_TIMESTAMP")


@dataclass(frozen=True, kw_only=True)
class Key:
    """Columns whose values no two rows may share, among the rows where `condition` holds when there is one."""

    columns: tuple[str, ...]
    are_nulls_equal: bool = False
    condition: str | None = None


def newest_column(table: TableContract) -> str | None:
    """The column by which the contract tells which of two rows is newer; null when it does not."""
    watermark = (table.source or {}).get("watermark") or {}
    written = [column.name for column in table.columns if column.default in _CLOCKS and column.generated is None]
    return watermark.get("column") or (written[-1] if written else None)


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """Marks the rows of `target`, the table of `contract` as it stands, that break its constraints."""

    withdrawal: Withdrawal
    domain: Domain
    contract: TableContract
    target: Table

    @property
    def connection(self) -> Connection:
        """Whose transaction it is."""
        return self.withdrawal.connection

    def mark(self, each: Lacking) -> int:
        """Mark the rows that break one constraint; returns how many.

        Raises: RemedyRefusedError when the contract does not say which of several rows stays.
        """
        if each.kind is ObjectType.COLUMN_NULLABILITY:
            return self._mark_where(self.target.c[each.name].is_(None), _not_null(each.name))
        if each.kind in (ObjectType.PRIMARY_KEY, ObjectType.UNIQUE_KEY, ObjectType.INDEX):
            key = self._key(each)
            missing = [self.target.c[name].is_(None) for name in key.columns] if self._is_primary(each) else []
            found = self._mark_where(or_(*missing), Reason(rule=CheckKind.NOT_NULL, message=_KEY)) if missing else 0
            return found + self.mark_repeated(key)
        constraint = self._declared(each.name)
        if isinstance(constraint, ForeignKeyConstraint):
            return self.mark_orphans(constraint)
        reason = Reason(rule=CheckKind.EXPRESSION, message=f"expected that {constraint.sqltext} ({each.name})")
        return self._mark_where(not_(constraint.sqltext), reason)

    def mark_orphans(self, key: ForeignKeyConstraint) -> int:
        """Mark rows whose reference has no parent.

        Raises: RemedyRefusedError when the table that they refer to has no row at all.
        """
        parent = key.elements[0].column.table
        held = parent.alias("parent")
        if self.connection.execute(select(literal_column("1")).select_from(parent).limit(1)).first() is None:
            raise RemedyRefusedError(f"{parent.fullname} is empty: it is the parents that are missing, not the orphans")
        names = [element.parent.name for element in key.elements]
        pairs = [held.c[element.column.name] == self.target.c[element.parent.name] for element in key.elements]
        present = [self.target.c[name].is_not(None) for name in names]
        has_parent = select(1).select_from(held).where(*pairs).correlate(self.target).exists()
        message = f"expected that every {'+'.join(names)} exists in {parent.fullname}"
        column = names[0] if len(names) == 1 else None
        return self._mark_where(
            and_(*present, ~has_parent), Reason(rule=CheckKind.REFERENCES, column=column, message=message)
        )

    def mark_repeated(self, key: Key) -> int:
        """Mark all rows of a key but the one that stays; a row that leaves anyhow is none of them."""
        held, place = self.target.alias("held"), (self.contract.schema, self.contract.name)
        columns = [held.c[name] for name in key.columns]
        newest = newest_column(self.contract)
        order = [held.c[newest].desc().nulls_last()] if newest else []
        one: ColumnElement[int] = literal_column("1")
        rank = func.rank().over(partition_by=columns, order_by=order) if order else one
        turn = func.row_number().over(partition_by=columns, order_by=[*order, held.c.tableoid, held.c.ctid])
        numbered = (
            select(
                *(column.label(f"key_{number}") for number, column in enumerate(columns)),
                held.c.tableoid,
                held.c.ctid,
                turn.label("turn"),
                rank.label("rank"),
                cast(held.table_valued(), Text).label("whole"),
            )
            .where(*self._among(key, columns), ~self.withdrawal.is_marked(held, *place))
            .subquery("numbered")
        )
        self._require_decided(key, numbered, newest)
        message = f"expected that no two rows share {', '.join(key.columns)}; the row that stays is "
        message += f"the newest by {newest}" if newest else "the same in every column"
        column = key.columns[0] if len(key.columns) == 1 else None
        rows = select(numbered.c.tableoid, numbered.c.ctid).where(numbered.c.turn > 1)
        return self.withdrawal.mark(self.target, rows, Reason(rule=CheckKind.UNIQUE, column=column, message=message))

    def _require_decided(self, key: Key, numbered: Any, newest: str | None) -> None:
        names = [numbered.c[f"key_{number}"] for number in range(len(key.columns))]
        differing = func.count(numbered.c.whole.distinct()) > 1
        groups = select(*names).where(numbered.c.rank == 1).group_by(*names).having(differing).subquery()
        undecided = self.connection.scalar(select(func.count()).select_from(groups))
        if undecided:
            why = f"several rows are the newest by {newest}" if newest else "the contract names no column that tells"
            raise RemedyRefusedError(
                f"{undecided} keys ({', '.join(key.columns)}) have rows that differ, and {why}: a person has to choose"
            )

    def _among(self, key: Key, columns: Sequence[ColumnElement[Any]]) -> list[ColumnElement[bool]]:
        """Rows that the key is about; with a null in it keys are never equal, unless it says so."""
        found: list[ColumnElement[bool]] = []
        if not key.are_nulls_equal:
            every = self.target.alias("every")
            repeated = duplicates(every, [every.c[name] for name in key.columns])
            found.append(tuple_(*columns).in_(repeated))  # the others need not be ranked; a null is equal to none
        if key.condition:
            found.append(expression(key.condition, own_objects(self.domain)))
        return found

    def _mark_where(self, broken: ColumnElement[bool], reason: Reason) -> int:
        rows: Select[Any] = select(self.target.c.tableoid, self.target.c.ctid).where(broken)
        return self.withdrawal.mark(self.target, rows, reason)

    def _key(self, each: Lacking) -> Key:
        if self._is_primary(each):
            return Key(columns=self.contract.primary_key)
        for unique in self.contract.unique_keys:
            if each.kind is ObjectType.UNIQUE_KEY and unique.name == each.name:
                return Key(columns=unique.columns, are_nulls_equal=unique.nulls_not_distinct)
        for index in self.contract.indexes:
            columns = tuple(key.column for key in index.keys if key.column)
            if index.name == each.name and len(columns) == len(index.keys):
                return Key(columns=columns, are_nulls_equal=index.nulls_not_distinct, condition=index.where)
        raise RemedyRefusedError(f"the {each.kind} {each.name} is over expressions, which only a person can repair")

    def _declared(self, name: str) -> Any:
        built = metadata(self.domain).tables[self.contract.qualified_name]
        return next(constraint for constraint in built.constraints if str(constraint.name) == name)

    @staticmethod
    def _is_primary(each: Lacking) -> bool:
        return each.kind is ObjectType.PRIMARY_KEY


_KEY = "expected that no part of the primary key is null"


def _not_null(column: str) -> Reason:
    return Reason(rule=CheckKind.NOT_NULL, column=column, message=f"expected that {column} is not null")
