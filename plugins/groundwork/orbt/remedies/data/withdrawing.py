"""What all remedies share that move rows into quarantine: limits, the journal's facts, the report, and the way back."""

# groundwork: allow-file raw_sql asks for sizes and rights

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from groundwork.flow.quarantine.give_back import give_back, is_back
from groundwork.flow.quarantine.live_row import with_row_ids
from groundwork.flow.quarantine.withdraw import Withdrawal, books_of, lock
from groundwork.model.fault import Change
from groundwork.orbt.remedies.data.breaches import total_rows
from groundwork.orbt.remedies.data.breaking import Breaking
from groundwork.orbt.remedies.data.constraints import (
    Lacking,
    NotValid,
    facts,
    make,
    not_valid,
    part_of_domain,
    put_back,
    set_aside,
)
from groundwork.orbt.remedies.data.dependents import Dependents
from groundwork.orbt.remedies.data.subject import Subject, bounded
from groundwork.orbt.remedies.remedy import Journal, Limits, RemedyRefusedError, Scene

MOST_ROWS = 10_000
MOST_SHARE = 0.5  # of the table's rows: beyond it the rule or the parents are wrong, not the rows
UNDO_SECONDS = 100.0
_SIZE_AND_OWNER = text(
    "SELECT pg_total_relation_size(c.oid) + coalesce((SELECT sum(pg_total_relation_size(t.relid)) "
    "FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf AND t.relid <> c.oid), 0) AS bytes, "
    "pg_has_role(c.relowner, 'USAGE') AS is_owner "
    "FROM pg_class c WHERE c.oid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))"
)


@dataclass(kw_only=True)
class Withdrawing:
    """One remedy's rows on their way into quarantine, in the transaction of `connection`; tables are locked."""

    connection: Connection
    subject: Subject
    scene: Scene
    limits: Limits
    withdrawal: Withdrawal
    dependents: Dependents
    breaking: Breaking

    @classmethod
    def begin(
        cls, connection: Connection, subject: Subject, scene: Scene, limits: Limits, *, is_closed: bool = False
    ) -> Withdrawing:
        """Lock what may lose rows, and begin the list."""
        dependents = Dependents.of(connection, subject.domain, subject.place)
        children = [place for place in dependents.places if place != subject.place]
        lock(connection, [subject.place], is_closed=is_closed)
        if children:
            lock(connection, children)
        withdrawal = Withdrawal(
            connection=connection,
            run_id=f"remedy/{uuid.uuid4()}",
            told=f"table {subject.name}",
            limit=MOST_ROWS if limits.rows is None else limits.rows,
            keys={(table.schema, table.name): table.primary_key for table in subject.domain.tables},
        )
        withdrawal.begin()
        breaking = Breaking(
            withdrawal=withdrawal,
            domain=part_of_domain(subject.domain, subject.table),
            contract=subject.table,
            target=with_row_ids(connection, *subject.place),
        )
        return cls(
            connection=connection,
            subject=subject,
            scene=scene,
            limits=limits,
            withdrawal=withdrawal,
            dependents=dependents,
            breaking=breaking,
        )

    def carry_out(self, journal: Journal, chosen: Sequence[Lacking] = ()) -> None:
        """Move what is marked and what depends on it, then make the `chosen` constraints hold.

        Raises: RemedyRefusedError when it is nothing, too much, or cannot be done in order.
        """
        self.dependents.mark(self.withdrawal)
        self._require_within_limits()
        order, reasons = self.dependents.order(), self.withdrawal.reasons()
        unchecked = not_valid(self.connection, self.dependents.places)
        counts = self.withdrawal.counts()
        told = ", ".join(f"{count} of {schema}.{table}" for (schema, table), count in sorted(counts.items()))
        journal.will(f"move rows to quarantine: {told}", **self._facts(chosen, unchecked))
        self.withdrawal.carry_out(order)
        make(self.connection, chosen, unchecked)
        why = "; ".join(f"{count} {reason}" for reason, count in reasons.items())
        journal.note(f"moved to quarantine: {told} ({why})")
        if chosen:
            journal.note(f"now enforced for all rows: {', '.join(each.name for each in chosen)}")
        journal.note(f"look: groundwork quarantine list --rows --table {self.subject.name}")

    def _require_within_limits(self) -> None:
        counts = self.withdrawal.counts()
        total, own = sum(counts.values()), counts.get(self.subject.place, 0)
        if total == 0:
            raise RemedyRefusedError(f"no row of {self.subject.name} has to leave")
        if total > self.withdrawal.limit:
            raise RemedyRefusedError(
                f"more than {self.withdrawal.limit} rows of {self.subject.name} and of what refers to it would have to "
                "leave; that is beyond the limit, and nothing was moved"
            )
        rows, share = (
            total_rows(self.connection, self.subject),
            float(self.scene.settings.get("most_share", MOST_SHARE)),
        )
        if own > share * rows:
            raise RemedyRefusedError(
                f"{own} of {rows} rows of {self.subject.name} would have to leave: when that many break a rule, "
                "the rule or the table they refer to is to be looked at; nothing was moved"
            )

    def _facts(self, chosen: Sequence[Lacking], unchecked: Sequence[NotValid]) -> dict[str, Any]:
        keys = self.withdrawal.keys
        return {
            "run_id": self.withdrawal.run_id,
            "tables": [[*place, list(keys.get(place, ()))] for place in self.dependents.places],
            "constraints": facts(chosen, unchecked),
        }


def size_and_owner(connection: Connection, subject: Subject) -> tuple[int, bool]:
    """Bytes of the table with its indexes, and whether our role may change its constraints."""
    row = connection.execute(_SIZE_AND_OWNER, {"schema": subject.place[0], "table": subject.place[1]}).one()
    return int(row.bytes), bool(row.is_owner)


def undo_withdrawal(scene: Scene, change: Change) -> str:
    """Bring the rows of one change back, with the constraints as they were; safe to repeat.

    Raises: RemedyRefusedError when they would conflict with what happened since.
    """
    known: Mapping[str, Any] = change.facts
    places = [(str(schema), str(table)) for schema, table, _ in known["tables"]]
    with bounded(scene.target, UNDO_SECONDS) as connection:
        if not books_of(connection, known["run_id"]):
            return "no row had been moved"
        lock(connection, places, is_closed=True)
        if is_back(connection, known["run_id"]):
            return "the rows are back already"
        set_aside(connection, known["constraints"])
        keys = {(schema, table): tuple(key) for schema, table, key in known["tables"]}
        back = give_back(connection, known["run_id"], keys)
        put_back(connection, known["constraints"])
    return f"back from quarantine: {', '.join(f'{count} of {name}' for name, count in back.items())}"
