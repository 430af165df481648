"""In which order rows are listed: the columns asked for, then the primary key, which makes the order total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import types as sqltypes

from groundwork.access.errors import AccessRefusedError, InvalidQueryError
from groundwork.access.relation import Relation

_NUMBERS = (sqltypes.Integer, sqltypes.Numeric, sqltypes.Float)
ORDERED = (*_NUMBERS, sqltypes.Date, sqltypes.DateTime, sqltypes.Time, sqltypes.String)


@dataclass(frozen=True, kw_only=True)
class OrderKey:
    """One column of the order."""

    column: str
    is_descending: bool

    @property
    def text(self) -> str:
        """The name as a query gives it."""
        return f"-{self.column}" if self.is_descending else self.column


def full_order(relation: Relation, order: Sequence[str], masked: frozenset[str]) -> tuple[OrderKey, ...]:
    """The order with the primary key at its end, in the direction of what comes before it.

    Raises: InvalidQueryError for an unknown, nullable or repeated column; AccessRefusedError for a masked one.
    """
    named = [OrderKey(column=text.removeprefix("-"), is_descending=text.startswith("-")) for text in order]
    relation.require_columns([key.column for key in named])
    columns = [key.column for key in named]
    for key in named:
        column = relation.contract.column(key.column)
        sortable = isinstance(relation.types[key.column], (*ORDERED, sqltypes.Uuid, sqltypes.Boolean))
        if not column.is_required or not sortable or columns.count(key.column) > 1:
            raise InvalidQueryError(
                f"rows cannot be ordered by `{key.column}`",
                where=relation.contract.qualified_name,
                expected="each column once, of a type with an order, and never null",
                found=", ".join(order)[:200],
                next_step="order by other columns",
            )
    descending = named[-1].is_descending if named else False
    rest = [OrderKey(column=name, is_descending=descending) for name in relation.key if name not in columns]
    complete = (*named, *rest)
    refuse_masked(relation, [key.column for key in complete], masked)
    return complete


def refuse_masked(relation: Relation, columns: Sequence[str], masked: frozenset[str]) -> None:
    """Raises AccessRefusedError when a masked column is compared: its mask would hide rows silently."""
    for name in columns:
        if name in masked:
            raise AccessRefusedError(
                f"the column `{name}` is masked for this role, so it cannot be filtered or ordered by",
                where=f"{relation.contract.qualified_name}.{name}",
                expected="a role whose clearance reaches the column's classification",
                found="a role below it",
                next_step="leave the column out or use a key of another role",
            )
