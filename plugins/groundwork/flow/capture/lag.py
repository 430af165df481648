"""How far each stream is behind its source: rows, bytes and seconds, asked of source and ledger at this moment.

Seconds are the age of the oldest change that is committed in the source and not applied here; 0 when there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine

from groundwork.flow.capture import ledger
from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.consumer_session import is_consumed
from groundwork.flow.capture.event import Way
from groundwork.flow.capture.lsn import lsn_number
from groundwork.flow.capture.outbox_reader import outbox_pending
from groundwork.flow.capture.protocol import Begin, Decoder
from groundwork.flow.capture.slot import slot_facts
from groundwork.flow.faults import database_faults

_MOST_ROWS = 10_000  # changes of a log that are counted; more are told as so many at least
_PATIENCE = "5s"  # for a look into the log of a slot
_MEASURED = ("rows_behind", "bytes_behind", "seconds_behind", "kept_bytes")
_FRESH_SECONDS = 5.0  # a consumer writes every two seconds that it has everything


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """Where a stream stands.

    `state` is `new`, `running` (a consumer is at work), `waiting` (none is), `stopped` (by a person) or `given up` (the
    next start takes a snapshot). `rows_behind` is null where only the server's log knows it and a consumer is reading;
    it counts to 10,000. Null everywhere when the source cannot be asked; `problem` then says why.
    """

    stream: str
    state: str
    way: str | None
    reason: str | None
    tables: tuple[str, ...]
    changes: int
    rows_behind: int | None = None
    bytes_behind: int | None = None
    seconds_behind: float | None = None
    kept_bytes: int | None = None
    limit_bytes: int
    snapshot_at: datetime | None = None
    seen_at: datetime | None = None
    measured_at: datetime | None = None
    last_event: str | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        moments = {"snapshot_at": self.snapshot_at, "seen_at": self.seen_at, "measured_at": self.measured_at}
        return {**asdict(self), **{name: at.isoformat() if at else None for name, at in moments.items()}}


def recorded(connection: Connection) -> list[StreamStatus]:
    """All streams as the ledger knows them, without asking their sources; by name."""
    return [_recorded(connection, row) for row in ledger.all_streams(connection)]


def status(stream: str, source: URL, target: Engine) -> StreamStatus | None:
    """Where a stream stands now; null when it was never started. The measure is kept in the ledger.

    Raises: RetriableError without a connection.
    """
    with database_faults(stream), target.connect() as connection:
        row = ledger.find(connection, stream) if ledger.is_there(connection) else None
        if row is None:
            return None
        known = _recorded(connection, row)
        if row["position"] is None:
            return known
        with source_connection(source) as asked:
            measured = _of_log(asked, row) if row["way"] == Way.LOG else _of_outbox(asked, row)
        found = replace(known, **measured, measured_at=datetime.now(UTC))
        connection.rollback()
        with connection.begin():
            ledger.keep_lag(connection, stream, {name: getattr(found, name) for name in _MEASURED})
    return found


def pending(stream: str, source: URL, target: Engine) -> tuple[str, str] | None:
    """Whether changes wait and nobody is at work on them: the stream's position and what waits, for a watcher.

    A log is looked into only when nobody reads it, and what concerns others is passed over for good, so that an idle
    stream keeps nothing of it. Raises: RetriableError without a connection.
    """
    with database_faults(stream), target.connect() as connection:
        with connection.begin():
            row = ledger.find(connection, stream) if ledger.is_there(connection) else None
            is_idle = row is not None and row["is_wanted"] and not is_consumed(connection, stream)
        if row is None or (row["position"] is None and is_idle):
            return "new", "the stream begins with a snapshot"
        if not is_idle:
            return None
        with source_connection(source) as asked:
            if row["way"] == Way.OUTBOX:
                found = outbox_pending(asked, row["position"], row["tables"])
                return (str(row["position"]), f"{found.rows} changes") if found.rows else None
            return _log_pending(asked, connection, row)


def _log_pending(
    asked: psycopg.Connection[Any], connection: Connection, row: Mapping[str, Any]
) -> tuple[str, str] | None:
    slot, position = str(row["slot"]), row["position"]
    facts = slot_facts(asked, slot)
    if facts is None or facts.is_lost:
        return "lost", "the replication slot is gone"
    end = str(_scalar(asked, "SELECT pg_current_wal_flush_lsn()::text"))
    try:
        count, _ = _peek(asked, slot, position, most=1)
        if count:
            return str(position), "changes in the log"
        if lsn_number(end) > lsn_number(str(position["lsn"])):
            # First here, then there: a position ahead of the slot is gone on from, one behind it would be a loss.
            with connection.begin():
                ledger.pass_over(connection, str(row["stream"]), position, {**position, "lsn": end})
            asked.execute("SELECT pg_replication_slot_advance(%s, %s)", (slot, end))
    except (psycopg.errors.ObjectInUse, psycopg.errors.ObjectNotInPrerequisiteState):
        return None  # a consumer began meanwhile
    return None


def _recorded(connection: Connection, row: Mapping[str, Any]) -> StreamStatus:
    latest = ledger.events(connection, str(row["stream"]), limit=1)
    is_running = is_consumed(connection, str(row["stream"]))
    state = "waiting"
    if not row["is_wanted"]:
        state = "stopped"
    elif is_running:
        state = "running"
    elif row["position"] is None:
        state = "given up" if row["snapshot_at"] else "new"
    measured = row["lag"] or {}
    return StreamStatus(
        stream=row["stream"],
        state=state,
        way=row["way"],
        reason=row["reason"],
        tables=tuple(row["tables"]),
        changes=row["changes"],
        **{name: measured.get(name) for name in _MEASURED},
        measured_at=row["measured_at"],
        limit_bytes=row["limit_bytes"],
        snapshot_at=row["snapshot_at"],
        seen_at=row["heartbeat_at"],
        last_event=f"{latest[0]['kind']}: {latest[0]['told']}" if latest else None,
    )


def _of_outbox(asked: psycopg.Connection[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    if not _scalar(asked, "SELECT to_regclass('groundwork_flow.change_reader') IS NOT NULL"):
        return {"problem": "the outbox is gone"}
    found = outbox_pending(asked, row["position"], row["tables"])
    return {
        "rows_behind": found.rows,
        "bytes_behind": found.size_bytes,
        "seconds_behind": _age(asked, found.oldest_at),
        "kept_bytes": _scalar(asked, "SELECT pg_total_relation_size('groundwork_flow.change')"),
    }


def _of_log(asked: psycopg.Connection[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    facts = slot_facts(asked, str(row["slot"]))
    if facts is None or facts.is_lost:
        return {"problem": "the replication slot is gone; the next start takes a snapshot"}
    end = lsn_number(str(_scalar(asked, "SELECT pg_current_wal_flush_lsn()::text")))
    behind = max(end - lsn_number(str(row["position"]["lsn"])), 0)
    known: dict[str, Any] = {"bytes_behind": behind, "kept_bytes": facts.retained_bytes}
    known |= {"rows_behind": None, "seconds_behind": None}
    if facts.is_active:
        return {**known, "seconds_behind": _behind_at_most(row)}
    try:
        count, oldest = _peek(asked, str(row["slot"]), row["position"], most=_MOST_ROWS)
    except psycopg.errors.ObjectInUse:  # a consumer began meanwhile
        return {**known, "seconds_behind": _behind_at_most(row)}
    except psycopg.errors.QueryCanceled:
        return {**known, "problem": f"the log behind the slot is too long to be counted within {_PATIENCE}"}
    return {**known, "rows_behind": count, "seconds_behind": _age(asked, oldest)}


def _behind_at_most(row: Mapping[str, Any]) -> float | None:
    """The longest that a consumer at work can be behind, by what it wrote; null when it wrote nothing yet."""
    now = datetime.now(UTC)
    caught_up, committed = (
        (now - moment).total_seconds() if moment is not None else None
        for moment in (row["caught_up_at"], row["committed_at"])
    )
    if caught_up is not None and caught_up < _FRESH_SECONDS:
        return 0.0
    ages = [age for age in (caught_up, committed) if age is not None]
    return max(min(ages), 0.0) if ages else None


def _peek(
    asked: psycopg.Connection[Any], slot: str, position: Mapping[str, Any], *, most: int
) -> tuple[int, datetime | None]:
    """Changes in the log behind a position, counted to about `most`, and when the first was committed."""
    decoder, count, oldest = Decoder(), 0, None
    query = "SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', "
    query += "'publication_names', %s)"
    start, is_news, began = lsn_number(str(position["lsn"])), False, None
    with asked.transaction():
        asked.execute(f"SET LOCAL statement_timeout = '{_PATIENCE}'")
        for _, data in asked.execute(query, (slot, most, slot)):
            message = decoder.decode(bytes(data))
            if isinstance(message, Begin):
                is_news, began = message.final_lsn >= start, message.committed_at
            elif is_news and data[:1] in (b"I", b"U", b"D", b"T"):
                oldest = oldest or began
                count += 1
    return count, oldest


def _age(asked: psycopg.Connection[Any], moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    row = asked.execute("SELECT extract(epoch FROM clock_timestamp() - %s)", (moment,)).fetchone()
    return max(float(row[0]) if row else 0.0, 0.0)


def _scalar(asked: psycopg.Connection[Any], query: str) -> Any:
    row = asked.execute(query).fetchone()
    return row[0] if row else None
