"""The tables in which the rows of a load wait until all of them are there.

Each table of the warehouse has at most one such area, in the schema of the ledger: `staged_…` with the typed rows and
`rejected_…` with the records that go to quarantine. They outlive the process that filled them and a crash of the
server, so that the next try goes on where the last one died. They vanish in the transaction that publishes their rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import DropTable

from groundwork.contracts.contract import TableContract
from groundwork.flow.ledger import SCHEMA, STAGED
from groundwork.flow.loads.examination import typed_columns
from groundwork.flow.record import Mark

PART_SHIFT = 40  # positions of part n begin at n * 2 ** 40


@dataclass(frozen=True, kw_only=True)
class PartState:
    """How far one part of a load is; `plan` tells whether it is a part of the same load at all."""

    part: int
    plan: str
    description: str
    mark: Mark | None
    read: int
    rejected: int
    outside: int
    bytes_read: int
    is_complete: bool
    checksum: str | None


@dataclass(frozen=True, kw_only=True)
class StagingArea:
    """The area of `contract` standing in `schema`; `values` are what columns hold that the load itself fills."""

    contract: TableContract
    schema: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def _digest(self) -> str:
        name = f"{self.schema}.{self.contract.name}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]

    @cached_property
    def rows(self) -> Table:
        """The rows of all parts."""
        columns = typed_columns(self.contract, self.values)
        return Table(f"staged_{self._digest}", MetaData(), *columns, schema=SCHEMA)

    def part_rows(self, part: int) -> Table:
        """The rows of one part; part 0 is a load that is not cut."""
        if part == 0:
            return self.rows
        return Table(
            f"staged_{self._digest}_{part}",
            MetaData(),
            *typed_columns(self.contract, self.values),
            schema=SCHEMA,
            postgresql_inherits=self.rows.fullname,
        )

    @cached_property
    def rejected(self) -> Table:
        """Records on their way to quarantine."""
        return Table(
            f"rejected_{self._digest}",
            MetaData(),
            Column("part", BigInteger, nullable=False),
            Column("position", BigInteger, nullable=False),
            Column("source", Text, nullable=False),
            Column("raw", JSONB, nullable=False),
            Column("reasons", JSONB, nullable=False),
            schema=SCHEMA,
        )

    def states(self, connection: Connection) -> list[PartState]:
        """The parts that were begun, in order."""
        query = select(STAGED).where(*self._mine).order_by(STAGED.c.part)
        names = PartState.__dataclass_fields__
        return [PartState(**{name: row[name] for name in names}) for row in connection.execute(query).mappings()]

    def begin(self, connection: Connection, plan: str, descriptions: Sequence[str]) -> None:
        """Empty the area and make it ready for the parts of `plan`; one description is a load that is not cut."""
        self.drop(connection)
        self.rows.create(connection)
        self.rejected.create(connection)
        first = 0 if len(descriptions) == 1 else 1
        for part, description in enumerate(descriptions, first):
            if part:
                self._make_child(connection, part)
            state = insert(STAGED).values(
                schema_name=self.schema, table_name=self.contract.name, part=part, plan=plan, description=description
            )
            connection.execute(state)

    def keep(self, connection: Connection, state: PartState) -> None:
        """Write how far a part is, in the transaction that brought its rows."""
        values: dict[str, Any] = {
            name: getattr(state, name)
            for name in ("mark", "read", "rejected", "outside", "bytes_read", "is_complete", "checksum")
        }
        changed = update(STAGED).where(*self._mine, STAGED.c.part == state.part)
        connection.execute(changed.values(**values, updated_at=func.clock_timestamp()))

    def analyze(self, connection: Connection, parts: Sequence[int]) -> None:
        """Let the planner know the sizes before the rows are joined."""
        for part in parts:
            connection.execute(text(f"ANALYZE {self.part_rows(part).fullname}"))  # a name of our own making

    def drop(self, connection: Connection) -> None:
        """Take the area away."""
        # CASCADE: the parts inherit from the whole.
        connection.execute(text(f"DROP TABLE IF EXISTS {self.rows.fullname} CASCADE"))  # a name of our own making
        connection.execute(DropTable(self.rejected, if_exists=True))
        connection.execute(delete(STAGED).where(*self._mine))

    def _make_child(self, connection: Connection, part: int) -> None:
        child, parent = self.part_rows(part).fullname, self.rows.fullname  # names of our own making
        connection.execute(text(f"CREATE TABLE {child} () INHERITS ({parent})"))
        connection.execute(
            text(f"ALTER TABLE {child} ALTER COLUMN groundwork_position ADD GENERATED BY DEFAULT AS IDENTITY")
        )

    @property
    def _mine(self) -> tuple[Any, Any]:
        return STAGED.c.schema_name == self.schema, STAGED.c.table_name == self.contract.name


def abandoned(connection: Connection, older_than: timedelta) -> list[tuple[str, str]]:
    """(schema, table) of areas that nobody has touched for that long."""
    touched = func.max(STAGED.c.updated_at)
    query = (
        select(STAGED.c.schema_name, STAGED.c.table_name)
        .group_by(STAGED.c.schema_name, STAGED.c.table_name)
        .having(touched < func.now() - older_than)
    )
    return [(row.schema_name, row.table_name) for row in connection.execute(query)]
