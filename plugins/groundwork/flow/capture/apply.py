"""Changes of a source into the tables of the warehouse, within the transaction of the caller.

A batch is folded per key and written set by set: what is gone from children to parents, then new rows from parents to
children; the other way round when the target refuses that. New rows pass the checks of their contract first; what
breaks one waits in quarantine with its reasons. When the sets do not go in either way (a unique value that changed
hands within the batch, say), the changes are applied one by one in their order, and only those that fail even then are
kept out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection

from groundwork.contracts.contract import Domain
from groundwork.flow.capture.books import StreamBooks
from groundwork.flow.capture.declaration import Apply, StreamTable
from groundwork.flow.capture.event import Change, Operation
from groundwork.flow.capture.net import Net, NewRow, fold
from groundwork.flow.capture.write import TargetTable
from groundwork.flow.driver import driver_connection
from groundwork.flow.loads.examination import Examination
from groundwork.flow.loads.row_checks import RowChecks
from groundwork.flow.quarantine.rejected import Quarantine
from groundwork.flow.record import Reason, Record, Rule

_REFUSED = (psycopg.IntegrityError, psycopg.DataError)
_Rejected = tuple[int, Mapping[str, Any], Sequence[Reason]]


@dataclass(kw_only=True)
class Applier:
    """Applies the changes of one stream over one connection; `schemas` names the tables' schema where it is another."""

    connection: Connection
    domain: Domain
    tables: Sequence[StreamTable]
    books: StreamBooks
    schemas: Mapping[str, str] = field(default_factory=dict)
    _examined: tuple[str, Examination, RowChecks] | None = field(default=None, init=False)
    _position: int = field(default=0, init=False)

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes in their order; tables that are not in the stream are passed over."""
        run: list[Change] = []
        for change in changes:
            if change.operation is Operation.TRUNCATE:
                self._apply_run(run)
                self._truncate(change)
                run = []
            else:
                run.append(change)
        self._apply_run(run)

    def schema(self, table: StreamTable) -> str:
        """Where the target stands."""
        return self.schemas.get(table.name, table.contract.schema)

    def target(self, table: StreamTable) -> TargetTable:
        """What writes to it."""
        return TargetTable(driver=self._driver, table=table, schema=self.schema(table))

    @property
    def _driver(self) -> psycopg.Connection[Any]:
        return driver_connection(self.connection)

    def _apply_run(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        marked = self._position
        if self._driver.info.transaction_status is TransactionStatus.IDLE:
            self._driver.execute("SELECT 1")  # begins: a savepoint that came first would be a transaction of its own
        for is_gone_first in (True, False):  # a unique value may move to another row, or a child to another parent
            try:
                with self._driver.transaction():
                    counts = self._write(changes, is_gone_first=is_gone_first)
            except _REFUSED:
                self._forget_examination()
                self._position = marked
            else:
                break
        else:
            counts = self._one_by_one(changes)
        for table in self.tables:
            self.books.add(self.connection, table, self.schema(table), counts[table.name])

    def _one_by_one(self, changes: Sequence[Change]) -> dict[str, Counter[str]]:
        total: dict[str, Counter[str]] = {table.name: Counter() for table in self.tables}
        for change in changes:
            try:
                with self._driver.transaction():
                    counts = self._write([change])
            except _REFUSED as error:
                self._forget_examination()
                counts = self._refuse(change, error)
            for name, found in counts.items():
                total[name].update(found)
        return total

    def _write(self, changes: Sequence[Change], *, is_gone_first: bool = True) -> dict[str, Counter[str]]:
        counts: dict[str, Counter[str]] = {table.name: Counter() for table in self.tables}
        own = {table.name: [each for each in changes if each.name == table.source] for table in self.tables}
        folded = {}
        for table in self.tables:
            if table.apply is Apply.MERGE and own[table.name]:
                folded[table.name] = net = fold(table, own[table.name])
                self._complete(table, net)
        if is_gone_first:
            self._remove(folded, counts)
        for table in self.tables:
            if table.name in folded:
                counts[table.name].update(self._merge(table, folded[table.name]))
            elif own[table.name]:
                counts[table.name].update(self._append(table, own[table.name]))
        if not is_gone_first:
            self._remove(folded, counts)
        return counts

    def _remove(self, folded: Mapping[str, Net], counts: Mapping[str, Counter[str]]) -> None:
        for table in reversed(self.tables):
            if table.name in folded:
                gone = folded[table.name].gone
                moments = {key: change.committed_at for key, change in gone.items()}
                counts[table.name]["removed"] += self.target(table).remove(gone, moments)

    def _complete(self, table: StreamTable, net: Net) -> None:
        """Fill in values that the source did not send, from the target."""
        waiting = {key: row for key, row in net.rows.items() if row.unknown}
        by_source = {source: column for column, source in table.columns.items()}
        names = sorted({name for row in waiting.values() for name in row.unknown})
        if not names:
            return
        known = self.target(table).texts(
            {row.known_as for row in waiting.values()}, [by_source[each] for each in names]
        )
        for row in waiting.values():
            if row.known_as in known:
                values = dict(zip(names, known[row.known_as], strict=True))
                row.values |= {name: values[name] for name in row.unknown}
                row.unknown = frozenset()

    def _merge(self, table: StreamTable, net: Net) -> Mapping[str, int]:
        columns = (*table.columns, *([table.mark] if table.mark else []))
        present = (self.target(table).present,) if table.mark else ()
        records: list[Record] = []
        kept_out: list[_Rejected] = []
        for row in net.rows.values():
            self._position += 1
            if row.unknown:
                kept_out.append((self._position, row.values, [_unknown(row)]))
                continue
            values = tuple(row.values.get(source) for source in table.columns.values())
            records.append(Record(position=self._position, values=values + present, raw=row.values))
        examined = self._examine(table, columns, records)
        quarantined = self._quarantine(table, [*examined, *kept_out])
        written = self.target(table).upsert(self._staged(table, columns).table.name, columns)
        return {
            "read": len(net.rows) + net.superseded,
            "loaded": written.loaded,
            "updated": written.updated,
            "unchanged": written.unchanged,
            "quarantined": quarantined,
            "duplicates": net.superseded,
        }

    def _append(self, table: StreamTable, changes: Sequence[Change]) -> Mapping[str, int]:
        columns = (*table.columns, *table.facts.values())
        records: list[Record] = []
        for change in changes:
            row = change.after or change.before or {}
            self._position += 1
            values = tuple(row.get(source) for source in table.columns.values())
            facts = tuple(_fact(change, fact) for fact in table.facts)
            if change.operation is not Operation.DELETE or "operation" in table.facts:
                records.append(Record(position=self._position, values=values + facts, raw=dict(row)))
        quarantined = self._quarantine(table, self._examine(table, columns, records))
        written = self.target(table).append(self._staged(table, columns).table.name, columns)
        return {
            "read": len(records),
            "loaded": written.loaded,
            "duplicates": written.unchanged,
            "quarantined": quarantined,
        }

    def _truncate(self, change: Change) -> None:
        for table in self.tables:
            if table.source == change.name and table.apply is Apply.MERGE:
                removed = self.target(table).remove_all(change.committed_at)
                self.books.add(self.connection, table, self.schema(table), {"removed": removed})

    def _examine(self, table: StreamTable, columns: tuple[str, ...], records: Sequence[Record]) -> list[_Rejected]:
        """Put the records into the temporary table and take out those that break a check, with every reason."""
        examination, checks = self._staged(table, columns), self._checks(table)
        examination.clear()
        reasons = examination.copy_records(records)
        for position, found in checks.broken(examination.table).items():
            known = {(each.rule, each.column) for each in reasons.get(position, ())}
            mistyped = {each.column for each in reasons.get(position, ())}
            more = [each for each in found if (each.rule, each.column) not in known and each.column not in mistyped]
            reasons[position] = [*reasons.get(position, ()), *more]
        examination.forget(reasons)
        return [(each.position, each.raw, reasons[each.position]) for each in records if reasons.get(each.position)]

    def _staged(self, table: StreamTable, columns: tuple[str, ...]) -> Examination:
        if self._examined is None or self._examined[0] != table.name:
            self._forget_examination()
            self._driver.execute("DROP TABLE IF EXISTS pg_temp.groundwork_examined, pg_temp.groundwork_texts")
            examination = Examination(connection=self.connection, contract=table.contract, columns=columns)
            checks = RowChecks(self.connection, self.domain, table.contract, self.schema(table))
            self._examined = (table.name, examination, checks)
        return self._examined[1]

    def _checks(self, table: StreamTable) -> RowChecks:
        if self._examined is None or self._examined[0] != table.name:
            raise RuntimeError("checks are asked for before the table is examined")
        return self._examined[2]

    def _forget_examination(self) -> None:
        self._examined = None

    def _quarantine(self, table: StreamTable, found: Sequence[_Rejected]) -> int:
        if not found:
            return 0
        quarantine = Quarantine(
            connection=self.connection,
            load_id=self.books.load_id(self.connection, table, self.schema(table)),
            schema=self.schema(table),
            table=table.contract.name,
            sources=(f"{self.books.source}: {table.source}",),
            is_trial=False,
        )
        return quarantine.reject(found)

    def _refuse(self, change: Change, error: psycopg.Error) -> dict[str, Counter[str]]:
        """Keep out one change that the target refuses even alone."""
        counts: dict[str, Counter[str]] = {table.name: Counter() for table in self.tables}
        for table in self.tables:
            if table.source == change.name:
                self._position += 1
                reason = Reason(rule=_rule(error), column=error.diag.column_name, message=_told(error))
                raw = {"operation": str(change.operation), **(change.after or change.before or {})}
                quarantined = self._quarantine(table, [(self._position, raw, [reason])])
                counts[table.name].update({"read": quarantined, "quarantined": quarantined})
        return counts


def _unknown(row: NewRow) -> Reason:
    names = ", ".join(sorted(row.unknown))
    return Reason(
        rule="unchanged_unknown",
        message=f"the source did not send {names}, and the row is not here; REPLICA IDENTITY FULL sends all",
    )


def _fact(change: Change, fact: str) -> str:
    if fact == "operation":
        return str(change.operation)
    if fact == "committed_at":
        return change.committed_at.isoformat()
    return change.transaction if fact == "transaction" else str(change.number)


def _rule(error: psycopg.Error) -> str:
    found = {"23505": "unique", "23503": "references", "23502": "not_null", "23514": "expression"}
    return found.get(error.sqlstate or "", str(Rule.TYPE))


def _told(error: psycopg.Error) -> str:
    """The server's words without its detail, which has values."""
    return str(error.diag.message_primary or error).split("\n")[0]
