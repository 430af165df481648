"""What a source server allows: logical decoding, triggers, or neither; and why.

Everything is asked of the live server with the role that will read, before anything is made there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from groundwork.flow.capture.declaration import Stream, StreamTable
from groundwork.flow.capture.event import Way
from groundwork.model.errors import ConfigError

_SERVER = """
SELECT current_setting('wal_level') AS wal_level, current_user AS role, current_database() AS database,
       pg_is_in_recovery() AS is_standby,
       (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user)
         OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(oid, 'USAGE'))
         AS may_replicate,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS free_slots,
       (SELECT pg_size_bytes(NULLIF(current_setting('max_slot_wal_keep_size'), '-1'))) AS keep_bytes,
       current_setting('server_version_num')::int AS version
"""
_TABLE = """
SELECT c.relkind, c.relreplident, pg_has_role(c.relowner, 'USAGE') AS is_owned,
       has_table_privilege(c.oid, 'TRIGGER') AS may_trigger, has_table_privilege(c.oid, 'SELECT') AS may_read,
       (SELECT array_agg(a.attname::text) FROM pg_index AS i JOIN pg_attribute AS a
          ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident
          ELSE false END) AS identity,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class AS c WHERE c.oid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
"""
_OLDEST = 140_000  # PostgreSQL 14: publications through the root of partitions, triggers replaced in place


@dataclass(frozen=True, kw_only=True)
class Capability:
    """The way that is taken and why; `warnings` are for the person who runs the source."""

    way: Way
    reason: str
    warnings: tuple[str, ...] = ()


def detect(connection: psycopg.Connection[Any], stream: Stream) -> Capability:
    """How this server can tell what changes in the stream's tables.

    Raises: ConfigError when a table is not there or may not be read, or neither way (or not the declared one) is open.
    """
    server = _one(connection, _SERVER)
    tables = {table.source: _table(connection, table) for table in stream.tables}
    against = {
        Way.LOG: _against_log(server, stream, tables),
        Way.OUTBOX: _against_outbox(server, tables),
    }
    wanted = [stream.way] if stream.way else [Way.LOG, Way.OUTBOX]
    for way in wanted:
        if not against[way]:
            return Capability(way=way, reason=_reason(way, stream, against), warnings=_warnings(way, server))
    raise ConfigError(
        "the source does not let anybody capture its changes",
        where=stream.name,
        expected=" or ".join(f"what the way `{way}` needs" for way in wanted),
        found="; ".join(f"{way}: {', '.join(against[way])}" for way in wanted),
        next_step="ask the source's administrator for one of the rights, or for wal_level = logical",
    )


def _one(connection: psycopg.Connection[Any], query: str, **values: Any) -> dict[str, Any]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values or None).fetchone() or {}


def _table(connection: psycopg.Connection[Any], table: StreamTable) -> dict[str, Any]:
    found = _one(connection, _TABLE, schema=table.source_schema, table=table.source_table)
    missing = sorted(set(table.columns.values()) - set(found.get("columns") or ()))
    if not found or not found["may_read"] or missing:
        raise ConfigError(
            "the stream's source table cannot be read as declared",
            where=f"{table.name} from {table.source}",
            expected=f"a table that the role may read, with the columns {', '.join(table.columns.values())}",
            found="no such table" if not found else f"missing: {', '.join(missing)}" if missing else "no right to read",
            next_step="correct `source.table` and `source.columns`, or grant SELECT",
        )
    return found


def _against_log(server: dict[str, Any], stream: Stream, tables: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    if server["wal_level"] != "logical":
        found.append(f"wal_level is {server['wal_level']}, not logical")
    if not server["may_replicate"]:
        found.append(f"role {server['role']} lacks REPLICATION")
    if server["free_slots"] <= 0:
        found.append("no replication slot is free")
    if not server["may_create"]:
        found.append(f"role {server['role']} may not make a publication in {server['database']}")
    if server["is_standby"]:
        found.append("the server is a standby")
    if server["version"] < _OLDEST:
        found.append("the server is older than PostgreSQL 14")
    for table in stream.tables:
        found += _against_publishing(table, tables[table.source])
    return found


def _against_publishing(table: StreamTable, facts: dict[str, Any]) -> list[str]:
    if not facts["is_owned"]:
        return [f"{table.source} belongs to another role"]
    # To publish a table without identity would make every UPDATE of its writers fail.
    if facts["relreplident"] != "f" and not facts["identity"]:
        return [f"{table.source} has no replica identity"]
    if facts["relreplident"] != "f" and table.source_key and not set(table.source_key) <= set(facts["identity"]):
        return [f"the replica identity of {table.source} does not hold {', '.join(table.source_key)}"]
    return []


def _against_outbox(server: dict[str, Any], tables: dict[str, dict[str, Any]]) -> list[str]:
    found = [f"no right to make triggers on {name}" for name, facts in tables.items() if not facts["may_trigger"]]
    if not server["may_create"]:
        found.append(f"role {server['role']} may not make a schema in {server['database']}")
    if server["is_standby"]:
        found.append("the server is a standby")
    if server["version"] < _OLDEST:
        found.append("the server is older than PostgreSQL 14")
    return found


def _reason(way: Way, stream: Stream, against: dict[Way, list[str]]) -> str:
    if stream.way:
        return f"the contract declares `way: {way}`"
    if way is Way.LOG:
        return "the server decodes its log for this role"
    return "no logical decoding: " + ", ".join(against[Way.LOG])


def _warnings(way: Way, server: dict[str, Any]) -> tuple[str, ...]:
    if way is Way.LOG and server["keep_bytes"] is None:
        return (
            "max_slot_wal_keep_size is not set on the source: only our own guard bounds the log that a slot keeps; "
            "set it, so that the server does so even when nothing of ours runs",
        )
    return ()
