"""Rejected records on their way into the ledger, each with all its reasons, in the load's own transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    case,
    cast,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array

from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.loads.examination import POSITION
from groundwork.flow.loads.staging import PART_SHIFT
from groundwork.flow.record import Reason
from groundwork.flow.statement import changed_rows


@dataclass(kw_only=True)
class Quarantine:
    """The quarantine of one load; `counts` are records per reason, and a record with two reasons counts under both.

    `sources` are the parts of the load in order, by which a record's position tells where it came from.
    """

    connection: Connection
    load_id: int
    schema: str
    table: str
    sources: tuple[str, ...]
    is_trial: bool
    counts: Counter[str] = field(default_factory=Counter)

    def reject(self, found: Sequence[tuple[int, Mapping[str, Any], Sequence[Reason]]]) -> int:
        """Keep records (position, raw, reasons) and return how many they are."""
        if not found:
            return 0
        rows = [
            {
                **self._common,
                "source": self.sources[0],
                "position": position,
                "raw": dict(raw),
                "reasons": [reason.to_json() for reason in reasons],
            }
            for position, raw, reasons in found
        ]
        self.connection.execute(insert(QUARANTINE), rows)
        for _, _, reasons in found:
            self.counts.update({reason.label for reason in reasons})
        return len(rows)

    def reject_staged(
        self,
        staging: Table,
        columns: Sequence[str],
        broken: Select[tuple[int, str]],
        rule: str,
        column: str | None = None,
    ) -> int:
        """Keep the staged rows that `broken` (position, message) names; `raw` then has the values as they were typed.

        The rows stay in staging; returns how many they are.
        """
        names = broken.subquery("broken")
        unwanted = array([each.name for each in staging.c if each.name not in columns])
        raw = func.to_jsonb(staging.table_valued()).op("-")(cast(unwanted, ARRAY(Text)))
        reason = func.jsonb_build_object("rule", str(rule), "column", literal(column, Text), "message", names.c.message)
        rows = select(
            *(literal(value, QUARANTINE.c[name].type) for name, value in self._common.items()),
            self._source(names.c[POSITION]),
            names.c[POSITION] % literal(1 << PART_SHIFT, BigInteger),
            raw,
            func.jsonb_build_array(reason),
        ).join(names, names.c[POSITION] == staging.c[POSITION])
        statement = insert(QUARANTINE).from_select([*self._common, "source", "position", "raw", "reasons"], rows)
        rejected = changed_rows(self.connection, statement)
        if rejected:
            self.counts[Reason(rule=rule, column=column, message="").label] += rejected
        return rejected

    def take(self, rejected: Table) -> int:
        """Keep the records that wait in `rejected` and return how many they are."""
        rows = select(
            *(literal(value, QUARANTINE.c[name].type) for name, value in self._common.items()),
            rejected.c.source,
            rejected.c.position,
            rejected.c.raw,
            rejected.c.reasons,
        ).order_by(rejected.c.part, rejected.c.position)
        names = [*self._common, "source", "position", "raw", "reasons"]
        taken = changed_rows(self.connection, insert(QUARANTINE).from_select(names, rows))
        if taken:
            for row in self.connection.execute(_reason_counts(rejected)):
                self.counts[row.label] += row.records
        return taken

    def _source(self, position: ColumnElement[int]) -> ColumnElement[str]:
        """Where the record at a position of the load came from; part 0 is a load that is not cut."""
        if len(self.sources) == 1:
            return literal(self.sources[0], Text)
        part = position.op(">>")(literal(PART_SHIFT, Integer))
        return case(dict(enumerate(self.sources, 1)), value=part)

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "load_id": self.load_id,
            "schema_name": self.schema,
            "table_name": self.table,
            "is_trial": self.is_trial,
        }


def _reason_counts(rejected: Table) -> Select[tuple[str, int]]:
    """Records per reason; a record that breaks one rule twice counts once."""
    reason = func.jsonb_array_elements(rejected.c.reasons).table_valued("value", joins_implicitly=True)
    told = cast(reason.c.value, JSONB)
    label = func.concat_ws(":", told["rule"].astext, told["column"].astext)
    one = select(rejected.c.part, rejected.c.position, label.label("label")).distinct().subquery()
    return select(one.c.label, func.count().label("records")).group_by(one.c.label).order_by(one.c.label)
