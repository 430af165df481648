"""Rejected records on their way into the ledger, each with all its reasons, in the load's own transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, Table, Text, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, array

from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.record import Reason
from groundwork.flow.staging import POSITION
from groundwork.flow.statement import changed_rows


@dataclass(kw_only=True)
class Quarantine:
    """The quarantine of one load; `counts` are records per reason, and a record with two reasons counts under both."""

    connection: Connection
    load_id: int
    schema: str
    table: str
    source: str
    is_trial: bool
    counts: Counter[str] = field(default_factory=Counter)

    def reject(self, found: Sequence[tuple[int, Mapping[str, Any], Sequence[Reason]]]) -> int:
        """Keep records (position, raw, reasons) and return how many they are."""
        if not found:
            return 0
        rows = [
            {
                **self._common,
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
            names.c[POSITION],
            raw,
            func.jsonb_build_array(reason),
        ).join(names, names.c[POSITION] == staging.c[POSITION])
        statement = insert(QUARANTINE).from_select([*self._common, "position", "raw", "reasons"], rows)
        rejected = changed_rows(self.connection, statement)
        if rejected:
            self.counts[Reason(rule=rule, column=column, message="").label] += rejected
        return rejected

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "load_id": self.load_id,
            "schema_name": self.schema,
            "table_name": self.table,
            "source": self.source,
            "is_trial": self.is_trial,
        }
