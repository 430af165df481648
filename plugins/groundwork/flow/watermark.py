"""How far each group of a table was loaded; read and moved in the load's own transaction.

The watermark says what is new; it decides nothing alone. A record at or below it is still compared by its key: an
identical row in the table makes it a duplicate, another one a conflict, and none makes it late, and it is loaded. So no
row is lost at the edge, and a source that brings old days later is still complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Interval,
    Numeric,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import sql_type
from groundwork.flow import ledger
from groundwork.flow.ledger import WATERMARK
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """The watermark of one table: `column`'s highest value per values of the columns `per`."""

    connection: Connection
    contract: TableContract
    schema: str
    column: str
    per: tuple[str, ...]
    overlap: str | None = None

    @classmethod
    def declared(cls, connection: Connection, contract: TableContract, schema: str) -> Watermark | None:
        """The watermark that the table's source declares, or null; raises ConfigError for a column nobody declared."""
        found: Mapping[str, Any] | None = (contract.source or {}).get("watermark")
        if found is None:
            return None
        per = tuple(found.get("per", ()))
        for name in (found["column"], *per):
            contract.column(name)
        overlap = found.get("overlap")
        return cls(
            connection=connection,
            contract=contract,
            schema=schema,
            column=found["column"],
            per=per,
            overlap=None if overlap is None else str(overlap),
        )

    def values(self) -> dict[str, str]:
        """Group → value, as the ledger has it."""
        return ledger.watermarks(self.connection, self.schema, self.contract.name)

    def since(self, before: Mapping[str, str] | None = None) -> str | None:
        """The lowest value of all groups less the overlap, as the column's type prints it; null when none was loaded.

        The groups are those of the ledger, or those of `before`, as the books of an earlier load have them.

        Rows that were committed late lie below the watermark: a source that is asked for what came since is asked for
        the overlap again, and what was loaded already is known by its key.
        Raises: ConfigError when the overlap is none for a column of that type.
        """
        lowest = self._lowest(before)
        if self.overlap is None:
            return self.connection.scalar(select(cast(lowest.scalar_subquery(), Text)))
        is_time = self.contract.column(self.column).type.lower().startswith(("date", "time"))
        width = cast(self.overlap, Interval if is_time else Numeric)
        shifted = cast(lowest.scalar_subquery() - width, self._type)
        try:
            with self.connection.begin_nested():
                return self.connection.scalar(select(cast(shifted, Text)))
        except DBAPIError as error:
            raise ConfigError(
                "the watermark's overlap cannot be taken from its values",
                where=f"{self.contract.qualified_name}, source.watermark.overlap",
                expected="a span of time such as `15 minutes`, or a number for a column of numbers",
                found=self.overlap,
                next_step="correct it in the contract",
            ) from error

    def _lowest(self, before: Mapping[str, str] | None) -> Select[Any]:
        if before is None:
            return select(func.min(cast(WATERMARK.c.value, self._type)).label("value")).where(
                WATERMARK.c.schema_name == self.schema, WATERMARK.c.table_name == self.contract.name
            )
        value = func.unnest(cast(list(before.values()), ARRAY(Text))).column_valued("value")
        return select(func.min(cast(value, self._type)).label("value"))

    def late(self, staging: FromClause, condition: ColumnElement[bool]) -> int:
        """How many rows of `staging` that meet `condition` are not above the watermark of their group."""
        mark = WATERMARK.alias("mark")
        joined = and_(
            mark.c.schema_name == self.schema,
            mark.c.table_name == self.contract.name,
            mark.c.partition_key == self._group(staging),
            staging.c[self.column] <= cast(mark.c.value, self._type),
        )
        query = select(func.count()).select_from(staging).join(mark, joined).where(condition)
        return int(self.connection.scalar(query) or 0)

    def advance(self, rows: FromClause, load_id: int) -> None:
        """Move the watermark of each group to the highest value in `rows`; it never moves back."""
        group = self._group(rows)
        highest = select(
            literal(self.schema, Text),
            literal(self.contract.name, Text),
            group,
            cast(func.max(rows.c[self.column]), Text),
            literal(load_id, WATERMARK.c.load_id.type),
        ).where(rows.c[self.column].is_not(None))
        highest = highest.select_from(rows).group_by(group)
        statement = insert(WATERMARK).from_select(
            ["schema_name", "table_name", "partition_key", "value", "load_id"], highest
        )
        new = statement.excluded
        moved = statement.on_conflict_do_update(
            index_elements=["schema_name", "table_name", "partition_key"],
            set_={"value": new.value, "load_id": new.load_id, "updated_at": func.clock_timestamp()},
            where=cast(new.value, self._type) > cast(WATERMARK.c.value, self._type),
        )
        self.connection.execute(moved)

    @property
    def _type(self) -> Any:
        return sql_type(self.contract.column(self.column))

    def _group(self, rows: FromClause) -> ColumnElement[str]:
        """The group's key: the value itself for one column, a JSON array for several, empty text for none."""
        if not self.per:
            return literal("", Text)
        if len(self.per) == 1:
            return func.coalesce(cast(rows.c[self.per[0]], Text), "")
        return cast(func.jsonb_build_array(*(rows.c[name] for name in self.per)), Text)
